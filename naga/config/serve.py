"""EngineConfig and ServerConfig: what one process may hold in memory and how it listens."""

from typing import Literal

from pydantic import Field

from naga.config.base import Config
from naga.config.quantisation import Weights


class EngineConfig(Config):
    dtype: Literal["float32", "bfloat16"] | None = None
    """Compute and KV dtype; None: the checkpoint's own. Recurrent states are always float32."""
    weights: Weights | None = None
    """Round matrices to this when they are loaded, native backend only; None: as the checkpoint is,
    quantised if it was converted, else in `dtype`."""
    device: str = "cpu"
    backend: Literal["native", "reference"] | None = None
    """native: C++ kernels, CPU only. reference: plain PyTorch, slow. None: native on the CPU, the
    reference elsewhere; a native one that is not built is an error, never a fallback."""
    max_running: int = Field(16, gt=0)
    """Requests that generate at once: one recurrent-state slot each. More wait in a queue."""
    max_waiting: int = Field(256, gt=0)
    """Requests that may wait; the next one is refused."""
    page_size: int = Field(64, gt=0, multiple_of=16)
    """Tokens per KV page."""
    kv_tokens: int = Field(65_536, gt=0)
    """Tokens that the KV pages hold: those of running requests, and what the cache keeps."""
    snapshot_bytes: int = Field(1_000_000_000, ge=0)
    """Memory for snapshots of recurrent states, from which known prompts go on; 0 keeps none."""
    kv: Literal["int8"] | None = None
    """What keys and values are held in, None being dtype; int8 takes half of bfloat16's memory."""
    draft_tokens: int = Field(8, ge=0, le=16)
    """Tokens to guess ahead at most, from where the last ones stood before, and to check together:
    the same answer sooner where it repeats the prompt. 0 never guesses."""
    prefill_chunk: int = Field(512, gt=0)
    """Prompt tokens one step may process, so that running requests keep generating."""


class ServerConfig(Config):
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    """0 lets the system choose a free port."""
    state_bytes: int = Field(10_000_000_000, ge=0)
    """Disk space for conversations that requests name (prompt_cache_key), under NAGA_STATE_DIR;
    0 keeps none."""
    state_idle_s: float = Field(30.0, gt=0)
    """Seconds of silence after which a named conversation is saved."""
    default_max_tokens: int = Field(1024, gt=0)
    """Answer length when a request names none (bounded by the model's context)."""

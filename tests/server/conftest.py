"""A tiny random hybrid, saved as a checkpoint and served by a real engine behind a real socket.

It babbles, but on terms: it never ends by itself (answers end by max_tokens or a stop string) and
closes its think block after some thirty tokens. A prompt with a 9 in it makes it fail.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest
import torch
import uvicorn
from data.talkers import without_tools

from naga.checkpoint.save import save_model
from naga.config.model import AttentionConfig, MambaConfig, ModelConfig, MoeConfig
from naga.config.serve import EngineConfig, ServerConfig
from naga.data.tokenizer import END, END_OF_TEXT, END_THINK, Tokenizer, train_tokenizer
from naga.engine.chat import open_engine
from naga.engine.engine import Engine
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.server.app import make_app

MODEL = "tiny"
# Long: the tiny model says thousands of tokens a second, and tests leave in the middle.
CONTEXT = 16_000
DEFAULT_MAX_TOKENS = 40


def tiny_model(tokenizer: Tokenizer) -> HybridLM:
    config = ModelConfig(
        pattern="ME*E",
        vocab_size=tokenizer.vocab_size,
        hidden_dim=32,
        max_positions=CONTEXT,
        init_std=0.3,
        tie_embeddings=False,
        embedding_multiplier=2.0,
        attention=AttentionConfig(num_heads=2, num_kv_heads=1, head_dim=16),
        mamba=MambaConfig(num_heads=2, head_dim=16, state_dim=16),
        moe=MoeConfig(num_experts=4, top_k=2, expert_dim=16, shared_dim=16),
    )
    model = HybridLM(config)
    initialize(model, seed=0)
    with torch.no_grad():
        # Channel 0 is so large in every embedding that it hardly changes from token to token: its
        # column of the head is a bias on the logits.
        model.embed.weight *= 0.5
        model.embed.weight[:, 0] = 10.0
        model.head.weight[:, 0] = 0.0
        model.head.weight[tokenizer.control_id(END_THINK), 0] = 0.5
        poison = tokenizer.encode("9")
        # Finite, or it would not load; twice as much is not.
        model.embed.weight[poison] = 3e38
        never = [tokenizer.control_id(END), tokenizer.control_id(END_OF_TEXT), 7, 8, 9, *poison]
        model.head.weight[never, 0] = -30.0
    return model


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [
        "The client shall pay each invoice within 30 days.",
        "甲方应在收到发票后三十日内付款。",
    ]
    tokenizer = without_tools(train_tokenizer(texts * 4, 323))
    model = tiny_model(tokenizer)
    path = tmp_path_factory.mktemp("checkpoint") / MODEL
    save_model(path, model.config, model.state_dict(), dtype=torch.float32, tokenizer=tokenizer)
    return path


@dataclass(frozen=True, kw_only=True)
class Served:
    url: str
    engine: Engine

    def post(self, body: object) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=60)


@contextmanager
def serving(checkpoint: Path, changes: dict[str, int]) -> Iterator[Served]:
    config = EngineConfig.model_validate(
        {"max_running": 4, "page_size": 16, "kv_tokens": 64_000, "prefill_chunk": 64} | changes
    )
    with open_engine(checkpoint, config) as engine, socket.create_server(("127.0.0.1", 0)) as sock:
        app = make_app(engine, MODEL, ServerConfig(default_max_tokens=DEFAULT_MAX_TOKENS))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        yield Served(url=f"http://127.0.0.1:{sock.getsockname()[1]}", engine=engine)
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def served(checkpoint: Path) -> Iterator[Served]:
    with serving(checkpoint, {}) as server:
        yield server


@pytest.fixture
def serve_apart(checkpoint: Path) -> Iterator[Callable[..., Served]]:
    """Further servers, for tests that fill or stop their engine."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(serving(checkpoint, changes))


@pytest.fixture(scope="session")
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client

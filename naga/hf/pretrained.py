"""What both model classes share: folders in, folders out, initial values.

What is written has the layout `naga`, whose names are those of a HybridLM; here they stand under
a prefix, but for the head's. Any layout is read, through naga.checkpoint with its checks, and what
was read is placed, cast and tied by transformers. Does not write other layouts.
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel

from naga.checkpoint.config import read_layout
from naga.checkpoint.load import StoredModel
from naga.checkpoint.save import GENERATION_FILE
from naga.config.base import ConfigError
from naga.hf.config import NagaConfig
from naga.model.init import initial_value
from naga.model.layer import Layer

HEAD, HELD_HEAD = "head.weight", "lm_head.weight"


class NagaPreTrainedModel(PreTrainedModel):
    config: NagaConfig
    config_class = NagaConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _is_stateful = True
    _no_split_modules = [Layer.__name__]  # noqa: RUF012
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012

    # Of the network's names in the state_dict.
    _network_prefix: str
    _has_head: bool

    def __init__(self, config: NagaConfig) -> None:
        super().__init__(config)
        self.register_load_state_dict_pre_hook(_rename_stored)  # type: ignore[no-untyped-call]

    @classmethod
    def held_name(cls, stored: str) -> str:
        """Name in the state_dict of a tensor that on disk has the name `stored`."""
        return HELD_HEAD if stored == HEAD else cls._network_prefix + stored

    @classmethod
    def stored_name(cls, held: str) -> str:
        return HEAD if held == HELD_HEAD else held.removeprefix(cls._network_prefix)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | PathLike[Any] | None,
        *model_args: Any,
        config: PreTrainedConfig | str | PathLike[Any] | None = None,
        state_dict: Mapping[str, Tensor] | None = None,
        generation_config: GenerationConfig | None = None,
        **kwargs: Any,
    ) -> Self:
        """As PreTrainedModel's, of a folder in any layout that naga reads."""
        if pretrained_model_name_or_path is None:
            return super().from_pretrained(
                None, *model_args, config=config, state_dict=state_dict, **kwargs
            )
        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            raise ConfigError(
                f"{folder}: no such folder; naga.hf opens checkpoint folders, and `hf download` "
                "fetches one"
            )
        if config is not None and not isinstance(config, NagaConfig):
            raise ConfigError(f"config is a {type(config).__name__}; naga.hf takes a NagaConfig")
        if config is None:
            config = NagaConfig.from_pretrained(folder)
        if generation_config is None and (folder / GENERATION_FILE).is_file():
            generation_config = GenerationConfig.from_pretrained(folder)
        loaded: Any = super().from_pretrained(
            None,
            *model_args,
            config=config,
            state_dict=cls._read(folder),
            generation_config=generation_config,
            **kwargs,
        )
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.name_or_path = model.config.name_or_path = str(folder)
        for name, parameter in model.named_parameters():
            # Moved by load, not by gradient.
            parameter.requires_grad_(not name.endswith("router.bias"))
        return loaded

    @classmethod
    def _read(cls, folder: Path) -> dict[str, Tensor]:
        tied = read_layout(folder)[1].tie_embeddings
        tensors = StoredModel(folder).tensors()
        held = {cls.held_name(name): t for name, t in tensors if cls._has_head or name != HEAD}
        if cls._has_head and tied:
            held[HELD_HEAD] = held[cls.held_name("embed.weight")]
        return held

    def save_pretrained(
        self,
        save_directory: str | PathLike[Any],
        is_main_process: bool = True,
        state_dict: Mapping[str, Tensor] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """As PreTrainedModel's, under the names of the layout `naga`."""
        held = self.state_dict() if state_dict is None else state_dict
        tied = self.config.tie_embeddings
        stored = {
            self.stored_name(name): tensor
            for name, tensor in held.items()
            if not (tied and name == HELD_HEAD)
        }
        super().save_pretrained(save_directory, is_main_process, stored, *args, **kwargs)

    @torch.no_grad()
    def initialize_weights(self) -> None:
        """naga's initial values for what was not loaded, from torch's own seed."""
        config = self.config.model_config()
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        for name, parameter in self.named_parameters():
            # transformers' mark of what was loaded, or was here before.
            if not vars(parameter).get("_is_hf_initialized"):
                stored = self.stored_name(name)
                parameter.copy_(initial_value(stored, parameter.shape, config, generator))
                vars(parameter)["_is_hf_initialized"] = True


def _rename_stored(module: nn.Module, state_dict: dict[str, Tensor], *_: Any) -> None:
    """A Trainer that resumes gives a file's names to load_state_dict."""
    assert isinstance(module, NagaPreTrainedModel)
    own = set(module.state_dict())
    for name in [name for name in state_dict if name not in own]:
        if module.held_name(name) in own:
            state_dict[module.held_name(name)] = state_dict.pop(name)

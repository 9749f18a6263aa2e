"""NagaConfig: ModelConfig's fields beside what transformers keeps in any config.

Fields have ModelConfig's names and are checked by it; the names that other libraries ask for are
properties or lead to ours (`attribute_map`). Saved, it is the layout `naga` of naga.checkpoint.
"""

from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

from transformers import PreTrainedConfig

from naga.checkpoint.config import CONFIG_FILE, read_layout
from naga.checkpoint.fields import INERT, read_json
from naga.config.load import parse_config
from naga.config.model import ModelConfig, MoeConfig

# Of any folder, beside what its layout says of the model.
KEPT = ("bos_token_id", "eos_token_id", "pad_token_id", "dtype", "torch_dtype")
# What transformers hands to a config's constructor beside what it stores.
PASSED = (
    "name_or_path", "attn_implementation", "experts_implementation", "transformers_weights",
    "_commit_hash", "num_labels",
)  # fmt: skip


class NagaConfig(PreTrainedConfig):
    model_type = "naga"
    keys_to_ignore_at_inference = ("past_key_values",)
    attribute_map: ClassVar[dict[str, str]] = {
        "hidden_size": "hidden_dim",
        "max_position_embeddings": "max_positions",
        "tie_word_embeddings": "tie_embeddings",
        "logits_scaling": "logits_divisor",
        "initializer_range": "init_std",
    }

    # TRL reads it of any config whose class transformers does not know.
    auto_map: ClassVar[dict[str, str]] = {}
    use_cache: bool | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """ModelConfig's fields and the inert ones of any config; ConfigError for others."""
        known = {*ModelConfig.model_fields, *self.attribute_map, *INERT, *PASSED}
        given = {key: value for key, value in kwargs.items() if key in known}
        others = {key: value for key, value in kwargs.items() if key not in known}
        own = {self.attribute_map.get(key, key): value for key, value in given.items()}
        fields = {key: own.pop(key) for key in ModelConfig.model_fields if key in own}
        checked = parse_config(ModelConfig, {**fields, **others}, "NagaConfig")
        super().__post_init__(  # type: ignore[no-untyped-call]
            **checked.model_dump(mode="json"), **own
        )
        if self.moe is not None:
            self.output_router_logits = own.get("output_router_logits", False)

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: str | PathLike[Any], **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of a folder in any layout that naga reads."""
        folder = Path(pretrained_model_name_or_path)
        model = read_layout(folder)[1].model_dump(mode="json")
        stored = read_json(folder / CONFIG_FILE)
        kept = {key: stored[key] for key in KEPT if stored.get(key) is not None}
        return {**kept, **model, "model_type": cls.model_type}, kwargs

    def model_config(self) -> ModelConfig:
        """What the network is made of."""
        fields = {key: vars(self)[key] for key in ModelConfig.model_fields}
        return parse_config(ModelConfig, fields, "NagaConfig")

    @property
    def layers(self) -> str:
        return self.model_config().layers

    @property
    def num_hidden_layers(self) -> int:
        return len(self.layers)

    @property
    def num_attention_heads(self) -> int:
        """0 in a model without attention."""
        attention = self.model_config().attention
        return attention.num_heads if attention else 0

    @property
    def num_experts(self) -> int:
        return self._moe.num_experts

    @property
    def num_experts_per_tok(self) -> int:
        return self._moe.top_k

    @property
    def router_aux_loss_coef(self) -> float:
        return self._moe.balance_loss

    @router_aux_loss_coef.setter
    def router_aux_loss_coef(self, value: float) -> None:
        self.moe = {**self._moe.model_dump(mode="json"), "balance_loss": float(value)}

    @property
    def _moe(self) -> MoeConfig:
        moe = self.model_config().moe
        if moe is None:
            # What other libraries take for "no mixture of experts".
            raise AttributeError("this model has no experts")
        return moe

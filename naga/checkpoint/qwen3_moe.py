"""qwen3_moe (Alibaba Qwen3, mixture of experts), as the hub and transformers have it.

As qwen3, but that a layer ends in experts where its number + 1 is a multiple of decoder_sparse_step
and it is not among mlp_only_layers. Weights of the chosen experts are those of the softmax over all
of them, made to add up to one where norm_topk_prob says so. No shared expert.
"""

from collections.abc import Iterator
from typing import Any

from naga.checkpoint import pairs
from naga.checkpoint.fields import Fields
from naga.checkpoint.layout import Form, Layout, Weight
from naga.checkpoint.qwen3 import (
    SAID,
    TABLES,
    common_refusals,
    read_common,
    read_layers,
    write_common,
)
from naga.checkpoint.unsaid import MOE
from naga.config.load import parse_config
from naga.config.model import ModelConfig

NAME = "qwen3_moe"
EXPERTS = (
    Weight("norm.weight", "post_attention_layernorm.weight"),
    Weight("mixer.router.weight", "mlp.gate.weight"),
    Weight("mixer.experts.up", "mlp.experts.{expert}.{half}_proj.weight", Form.EXPERT_HALVES),
    Weight("mixer.experts.down", "mlp.experts.{expert}.down_proj.weight", Form.EXPERTS),
)


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    return pairs.weights(config, {**TABLES, "E": EXPERTS})


def refusals(config: ModelConfig) -> Iterator[str]:
    yield from pairs.pattern_refusals(NAME, config.layers, "*", "-E")
    yield from common_refusals(NAME, config, {**SAID, "moe": MOE | {"weigh"}})
    if config.moe is None:
        yield f"{NAME} has no model without experts"


def read(fields: Fields) -> ModelConfig:
    fields.alias("num_local_experts", "num_experts")
    experts = fields.integer("num_experts", 128)
    feeds = _read_feeds(fields, read_layers(fields), experts)
    moe = {
        "num_experts": experts,
        "top_k": fields.integer("num_experts_per_tok", 8),
        "expert_dim": fields.integer("moe_intermediate_size", 768),
        "activation": "swiglu",
        "router": "softmax",
        "weigh": "chosen" if fields.flag("norm_topk_prob", False) else "all",
        "balance_loss": fields.number("router_aux_loss_coef", 0.001),
    }
    mlp = {"inner_dim": fields.integer("intermediate_size", 6144), "activation": "swiglu"}
    data = read_common(fields, head_dim=None) | {
        "pattern": "".join("*" + letter for letter in feeds),
        "mlp": mlp if "-" in feeds else None,
        "moe": moe if "E" in feeds else None,
    }
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def _read_feeds(fields: Fields, count: int, experts: int) -> str:
    """One letter for each layer on disk: E or -."""
    step = fields.integer("decoder_sparse_step", 1)
    if step < 1:
        fields.fail(f"decoder_sparse_step must be at least 1, not {step}")
    dense = fields.integers("mlp_only_layers", [])
    if wrong := [index for index in dense if not 0 <= index < count]:
        fields.fail(f"mlp_only_layers: there is no layer {wrong[0]} among {count}")
    sparse = {index for index in range(count) if experts and (index + 1) % step == 0}
    return "".join("E" if index in sparse - {*dense} else "-" for index in range(count))


def write(config: ModelConfig) -> dict[str, Any]:
    moe = config.moe
    assert moe is not None
    return write_common(config) | {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": NAME,
        # Read where a layer has no experts; transformers asks for it always.
        "intermediate_size": moe.expert_dim if config.mlp is None else config.mlp.inner_dim,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [i for i, letter in enumerate(config.layers[1::2]) if letter == "-"],
        "num_experts": moe.num_experts,
        "num_experts_per_tok": moe.top_k,
        "moe_intermediate_size": moe.expert_dim,
        "norm_topk_prob": moe.weigh == "chosen",
        "router_aux_loss_coef": moe.balance_loss,
        "output_router_logits": False,
    }


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)

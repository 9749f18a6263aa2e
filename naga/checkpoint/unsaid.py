"""What of a ModelConfig a layout does not say, whatever fields it may get in time.

A layout lists the fields that it expresses; another one is refused unless it is at its default. So
a field that nobody thought of when a layout was written is refused, not dropped. Imports no torch.
"""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from naga.checkpoint.layout import describe_layer
from naga.config.model import ModelConfig

# What every layout says.
MODEL = frozenset((
    "pattern", "vocab_size", "hidden_dim", "max_positions", "norm_eps", "init_std",
    "tie_embeddings",
))  # fmt: skip
ATTENTION = frozenset(("num_heads", "num_kv_heads", "head_dim"))
MAMBA = frozenset((
    "num_heads", "head_dim", "state_dim", "num_groups", "conv_width", "chunk_size", "dt_limit",
))  # fmt: skip
MAMBA1 = frozenset(("inner_dim", "state_dim", "conv_width", "dt_rank"))
PARALLEL = frozenset(("ssm_multiplier", "attention_multiplier"))
MLP = frozenset(("inner_dim",))
MOE = frozenset(("num_experts", "top_k", "expert_dim", "balance_loss"))
LETTERS = {
    "mamba": "M", "attention": "*", "mlp": "-", "moe": "E", "mamba1": "S", "parallel": "H",
}  # fmt: skip


def unsaid(
    name: str,
    config: ModelConfig,
    said: Mapping[str, frozenset[str]],
    model: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """One refusal for each field that is neither `said` (by section) nor at its default.

    Of the model's own fields, MODEL and `model` are said and no others but the sections.
    """
    yield from _others(name, config, MODEL | model | frozenset(said))
    for section, fields in said.items():
        own = getattr(config, section)
        if own is not None:
            layer = describe_layer(config, LETTERS[section])
            yield from _others(f"{layer}: {name}", own, fields)


def _others(name: str, own: BaseModel, said: frozenset[str]) -> Iterator[str]:
    for key, field in type(own).model_fields.items():
        value = getattr(own, key)
        if key in said or value == field.default:
            continue
        if isinstance(value, BaseModel):
            yield f"{name} has no {key}"
        else:
            yield f"{name} has no {key} = {f'{value:g}' if isinstance(value, float) else value}"

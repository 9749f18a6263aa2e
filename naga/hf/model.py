"""NagaModel and NagaForCausalLM: HybridLM behind the calls of transformers.

Without a cache the training form runs, differentiable, over packed tokens; with one the row form,
whose answers are bitwise those of `naga generate --backend reference` on the same weights. Under
autocast, its dtype is naga's compute dtype and float32 stays where naga has it. Router biases
(sigmoid) are not moved by training here. What is asked for and not there is a ConfigError.

B rows, L columns, T tokens, D hidden, V vocabulary, E experts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationConfig, GenerationMixin
from transformers.modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from naga.config.base import ConfigError
from naga.hf.cache import NagaCache
from naga.hf.config import NagaConfig
from naga.hf.flat import Cuts, read_rows
from naga.hf.pretrained import NagaPreTrainedModel
from naga.model.layer import Layer
from naga.model.lm import HybridLM, Table, call_layer, is_matrix, is_table
from naga.model.mlp import Matrix
from naga.model.moe import Routing
from naga.model.state import Batch, pack
from naga.ops.linear import pad_rows
from naga.runtime import DTYPES, Runtime


@dataclass(kw_only=True, eq=False)
class _Trace:
    """What is gathered on the way through the layers, flat."""

    hidden: list[Tensor] | None = None
    routers: list[Tensor] | None = None
    checkpoint: Callable[..., Any] | None = None
    sigmoid: bool = False

    def call(self, layer: Layer, x: Tensor, batch: Batch) -> tuple[Tensor, Routing | None]:
        if self.hidden is not None:
            self.hidden.append(x)
        if self.checkpoint is None:
            x, routing = call_layer(layer, x, batch)
        else:
            # Tensors alone: what else a checkpoint returns has no gradient.
            x, *parts = self.checkpoint(_call_for_tensors, layer, x, batch)
            routing = _routing(*parts) if parts else None
        if self.routers is not None and routing is not None:
            logits = routing.logits
            # Softmax of these is what a sigmoid router's balancing loss averages.
            self.routers.append(F.logsigmoid(logits) if self.sigmoid else logits)
        return x, routing


class NagaModel(NagaPreTrainedModel):
    """The network up to its last norm."""

    _network_prefix = "network."
    _has_head = False

    def __init__(self, config: NagaConfig) -> None:
        super().__init__(config)
        # The head is NagaForCausalLM's, so this network has none of its own.
        headless = config.model_config().model_copy(update={"tie_embeddings": True})
        self.network = HybridLM(headless)
        held = dict(self.network.named_parameters())
        self._small = {name for name in held if not (is_matrix(name) or is_table(name))}
        for name in self._small:
            held[name].data = held[name].data.float()
        self.gradient_checkpointing = False
        self.post_init()  # type: ignore[no-untyped-call]

    def get_input_embeddings(self) -> nn.Module:
        return self.network.embed

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.network.embed = cast(Table, value)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: NagaCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_router_logits: bool | None = None,
        return_dict: bool | None = None,
        cu_seq_lens_q: Tensor | None = None,
        cu_seq_lens_k: Tensor | None = None,
        max_length_q: int | None = None,
        max_length_k: int | None = None,
        seq_idx: Tensor | None = None,
    ) -> MoeModelOutputWithPast | tuple[Any, ...]:
        """input_ids (B, L), or inputs_embeds (B, L, D) before their multiplier.

        A cache is made if `use_cache` asks for it, and never by default. last_hidden_state
        (B, L, D) is zero where no token is.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ConfigError("give either input_ids or inputs_embeds")
        if output_attentions:
            raise ConfigError("output_attentions: naga keeps no attention weights")
        if cu_seq_lens_k is not None and not _same(cu_seq_lens_q, cu_seq_lens_k):
            raise ConfigError("cu_seq_lens_k must be cu_seq_lens_q: a sequence attends to itself")
        if past_key_values is None and use_cache:
            past_key_values = NagaCache()
        given = input_ids if inputs_embeds is None else inputs_embeds
        assert given is not None
        cuts = Cuts(position_ids=position_ids, cu_seq_lens=cu_seq_lens_q, seq_idx=seq_idx)
        if past_key_values is not None:
            # What the config asks for by itself is for calls without a cache.
            output_hidden_states = output_hidden_states or False
            output_router_logits = output_router_logits or False
        wanted = self._wanted(output_hidden_states, output_router_logits)
        # Before autocast is off: it says which dtype, and naga where.
        dtype = self._compute_dtype(given.device)
        with torch.autocast(given.device.type, enabled=False):
            if past_key_values is None:
                output = self._train(input_ids, inputs_embeds, attention_mask, cuts, wanted, dtype)
            elif input_ids is None or wanted.hidden is not None or wanted.routers is not None:
                raise ConfigError(
                    "with a cache naga takes input_ids alone and gives neither hidden states nor "
                    "router logits of layers; pass use_cache=False"
                )
            else:
                output = self._step(input_ids, attention_mask, cuts, past_key_values, dtype)
        return output if return_dict is not False else output.to_tuple()

    def _compute_dtype(self, device: torch.device) -> torch.dtype:
        """What matrices are multiplied in: autocast's dtype, or their own."""
        dtype = self.network.embed.weight.dtype
        if torch.is_autocast_enabled(device.type):
            dtype = torch.get_autocast_dtype(device.type)
        if dtype not in DTYPES.values():
            raise ConfigError(f"{dtype}: naga computes in {' or '.join(DTYPES)}")
        return dtype

    def _wanted(self, hidden: bool | None, routers: bool | None) -> _Trace:
        moe = self.network.config.moe
        if hidden is None:
            hidden = self.config.output_hidden_states
        if routers is None:
            routers = moe is not None and self.config.output_router_logits
        if routers and moe is None:
            raise ConfigError("output_router_logits: this model has no experts")
        checkpointed = self.gradient_checkpointing and self.training and torch.is_grad_enabled()
        return _Trace(
            hidden=[] if hidden else None,
            routers=[] if routers else None,
            checkpoint=self._gradient_checkpointing_func if checkpointed else None,
            sigmoid=moe is not None and moe.router == "sigmoid",
        )

    def _train(
        self,
        input_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        mask: Tensor | None,
        cuts: Cuts,
        trace: _Trace,
        dtype: torch.dtype,
    ) -> MoeModelOutputWithPast:
        self._check_adapters()
        if inputs_embeds is None:
            assert input_ids is not None
            inputs_embeds = self.network.embed(input_ids)
        device = inputs_embeds.device
        shape = (inputs_embeds.shape[0], inputs_embeds.shape[1])
        rows = read_rows(shape, mask, cuts, device)
        x = rows.flat(inputs_embeds) * self.network.config.embedding_multiplier
        last = self.network.run(x.to(dtype), pack(rows.lengths, device), trace.call).hidden
        output = MoeModelOutputWithPast(last_hidden_state=rows.padded(last))
        if trace.hidden is not None:
            output["hidden_states"] = tuple(rows.padded(x) for x in (*trace.hidden, last))
        if trace.routers is not None:
            # (B·L, E) each, as transformers' own models give them.
            output["router_logits"] = tuple(rows.padded(x).flatten(0, 1) for x in trace.routers)
        return output

    def _check_adapters(self) -> None:
        """Refuse an adapter (PEFT) on weights that layers do not reach by a call."""
        for name, _ in self.network.named_parameters():
            plain = name.replace(".base_layer", "")
            if plain != name and plain in self._small:
                raise ConfigError(
                    f"{plain}: an adapter on it would have no effect; projections, feed-forwards, "
                    "experts, embedding and head can have one"
                )

    def _step(
        self,
        tokens: Tensor,
        mask: Tensor | None,
        cuts: Cuts,
        cache: NagaCache,
        dtype: torch.dtype,
    ) -> MoeModelOutputWithPast:
        if not isinstance(cache, NagaCache):
            raise ConfigError(
                f"past_key_values is a {type(cache).__name__}; naga needs a NagaCache"
            )
        if torch.is_grad_enabled():
            raise ConfigError("a cache is for inference: call under torch.no_grad()")
        if cuts.cu_seq_lens is not None or cuts.seq_idx is not None:
            raise ConfigError("cu_seq_lens_q and seq_idx are for packed batches without a cache")
        runtime = Runtime(device=tokens.device, dtype=dtype)
        shape = (tokens.shape[0], tokens.shape[1])
        cache.begin(self.network.config, runtime, shape[0])
        rows = read_rows(shape, mask, cuts, tokens.device, cache.lengths)
        if mask is not None and not bool(mask[:, -1].all()):
            raise ConfigError(
                "attention_mask: with a cache no row ends in padding; pad on the left"
            )
        batch, pool = cache.extend(rows.owners, rows.lengths, shape[1])
        hidden = self.network.step(rows.flat(tokens), batch, pool)
        return MoeModelOutputWithPast(last_hidden_state=rows.padded(hidden), past_key_values=cache)


class NagaForCausalLM(NagaPreTrainedModel, GenerationMixin):
    """The network and its head; the head is the embedding where the config ties them."""

    _network_prefix = "model.network."
    _has_head = True
    _tied_weights_keys = {"lm_head.weight": "model.network.embed.weight"}  # noqa: RUF012
    # The loss is divided by num_items_in_batch where that is given.
    accepts_loss_kwargs = True

    def __init__(self, config: NagaConfig) -> None:
        super().__init__(config)
        self.model = NagaModel(config)
        self.lm_head = Matrix(config.vocab_size, config.hidden_size)
        self.post_init()  # type: ignore[no-untyped-call]

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.lm_head = new_embeddings

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: NagaCache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_router_logits: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        shift_labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        cu_seq_lens_q: Tensor | None = None,
        cu_seq_lens_k: Tensor | None = None,
        max_length_q: int | None = None,
        max_length_k: int | None = None,
        seq_idx: Tensor | None = None,
    ) -> MoeCausalLMOutputWithPast | tuple[Any, ...]:
        """As NagaModel's, with logits (B, L, V) float32 and, given labels (B, L), their loss.

        labels: -100 is not learned; they are shifted here, `shift_labels` are already. aux_loss,
        where router logits are asked for, is transformers' own, added with router_aux_loss_coef.
        """
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            output_router_logits=output_router_logits,
            cu_seq_lens_q=cu_seq_lens_q,
            cu_seq_lens_k=cu_seq_lens_k,
            max_length_q=max_length_q,
            max_length_k=max_length_k,
            seq_idx=seq_idx,
        )
        logits = self._logits(output.last_hidden_state, logits_to_keep)
        loss = aux_loss = None
        if labels is not None or shift_labels is not None:
            loss = self.loss_function(
                logits=logits,
                labels=labels,
                vocab_size=self.config.vocab_size,
                num_items_in_batch=num_items_in_batch,
                shift_labels=shift_labels,
            )
        if output.router_logits is not None:
            aux_loss = self._balance_loss(output.router_logits, attention_mask)
            loss = loss if loss is None else loss + self.config.router_aux_loss_coef * aux_loss
        result = MoeCausalLMOutputWithPast(
            loss=loss,
            aux_loss=aux_loss,
            logits=logits,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
            router_logits=output.router_logits,
        )
        return result if return_dict is not False else result.to_tuple()

    def _balance_loss(self, router_logits: Any, mask: Tensor | None) -> Tensor:
        experts, chosen = self.config.num_experts, self.config.num_experts_per_tok
        return cast(Tensor, load_balancing_loss_func(router_logits, experts, chosen, mask))

    def _logits(self, hidden: Tensor, keep: int | Tensor) -> Tensor:
        """HybridLM's, by a head that is called and may be wrapped; rows padded for both forms."""
        hidden = hidden[:, slice(-keep, None) if isinstance(keep, int) else keep]
        with torch.autocast(hidden.device.type, enabled=False):
            factor, divisor = self.config.logits_multiplier, self.config.logits_divisor
            rows = hidden.flatten(0, 1).float() * factor / divisor
            logits: Tensor = self.lm_head(pad_rows(rows))[: rows.shape[0]]
        return logits.unflatten(0, hidden.shape[:2])

    def _prepare_cache_for_generation(
        self,
        generation_config: GenerationConfig,
        model_kwargs: dict[str, Any],
        *_: Any,
    ) -> bool:
        """`generate` makes a cache here; only ours holds a recurrent state."""
        if generation_config.cache_implementation is not None:
            raise ConfigError(
                f"cache_implementation {generation_config.cache_implementation!r}: leave it out; "
                "naga has a cache of its own"
            )
        if generation_config.use_cache is not False and model_kwargs.get("past_key_values") is None:
            model_kwargs["past_key_values"] = NagaCache()
        return False


def _call_for_tensors(layer: Layer, x: Tensor, batch: Batch) -> tuple[Tensor, ...]:
    x, routing = call_layer(layer, x, batch)
    return (x,) if routing is None else (x, routing.balance_loss, routing.counts, routing.logits)


def _routing(balance_loss: Tensor, counts: Tensor, logits: Tensor) -> Routing:
    return Routing(balance_loss=balance_loss, counts=counts, logits=logits)


def _same(one: Tensor | None, other: Tensor) -> bool:
    return one is not None and one.equal(other)

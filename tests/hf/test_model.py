"""The calls of transformers: padding, packing, losses, what is gathered on the way, refusals."""

from pathlib import Path

import pytest
import torch
from checkpoint import tiny
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hf.tiny import padded, pair, sequences
from naga.config.base import ConfigError
from naga.hf import NagaForCausalLM
from naga.model.moe import Experts
from naga.model.state import pack

MODELS = ("granitemoehybrid-moe", "naga")
LENGTHS = (11, 4, 17)


def alone(model: NagaForCausalLM, tokens: list[Tensor]) -> list[Tensor]:
    return [model(row[None]).logits[0] for row in tokens]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", MODELS)
def test_padding_changes_no_token(name: str, side: str, tmp_path: Path) -> None:
    _, model = pair(name, tmp_path)
    tokens = sequences(*LENGTHS)
    input_ids, mask = padded(tokens, side)
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    for given in (None, positions):
        logits = model(input_ids, attention_mask=mask, position_ids=given).logits
        for row, kept, expected in zip(logits, mask.bool(), alone(model, tokens), strict=True):
            torch.testing.assert_close(row[kept], expected)
            assert (row[~kept] == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_packed_row_is_its_sequences_alone(name: str, tmp_path: Path) -> None:
    _, model = pair(name, tmp_path)
    tokens = sequences(*LENGTHS)
    input_ids = torch.cat(tokens)[None]
    bounds = torch.tensor([0, *LENGTHS]).cumsum(0).int()
    positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]
    index = torch.arange(len(LENGTHS)).repeat_interleave(torch.tensor(LENGTHS))[None]
    ways = (
        {"position_ids": positions},
        {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": 17, "max_length_k": 17},
        {"seq_idx": index},
        {"position_ids": positions, "cu_seq_lens_q": bounds, "seq_idx": index},
    )
    expected = torch.cat(alone(model, tokens))
    for way in ways:
        torch.testing.assert_close(model(input_ids, **way).logits[0], expected)


def test_nothing_leaks_from_one_packed_sequence_into_the_next(tmp_path: Path) -> None:
    _, model = pair("naga", tmp_path)
    embedded = model.get_input_embeddings()(torch.cat(sequences(8, 6)))[None].detach()
    embedded.requires_grad_(True)
    positions = torch.tensor([[*range(8), *range(6)]])
    model(inputs_embeds=embedded, position_ids=positions).logits[0, 8:].square().sum().backward()
    assert embedded.grad is not None
    assert (embedded.grad[0, :8] == 0).all()
    assert (embedded.grad[0, 8:] != 0).any(-1).all()


def test_embeddings_may_be_given_instead_of_tokens(tmp_path: Path) -> None:
    _, model = pair("granitemoehybrid-moe", tmp_path)
    tokens = sequences(9)[0][None]
    given = model(inputs_embeds=model.get_input_embeddings()(tokens)).logits
    assert given.equal(model(tokens).logits)


@pytest.mark.parametrize("name", MODELS)
def test_loss_and_gradients_are_the_networks_own(name: str, tmp_path: Path) -> None:
    ours, model = pair(name, tmp_path)
    tokens = sequences(13)[0]
    labels = tokens.clone()
    labels[:4] = -100
    loss = model(tokens[None], labels=labels[None]).loss
    loss.backward()
    ours.requires_grad_(True)
    logits = ours.logits(ours(tokens, pack([13], "cpu"), torch.float32).hidden)
    expected = cross_entropy(logits[3:-1], tokens[4:])
    expected.backward()
    torch.testing.assert_close(loss, expected)
    for key, weight in ours.named_parameters():
        held = model.get_parameter(model.held_name(key))
        if weight.grad is not None and not key.endswith("router.bias"):
            torch.testing.assert_close(held.grad, weight.grad)


def test_a_loss_is_divided_by_the_items_of_the_whole_step(tmp_path: Path) -> None:
    _, model = pair("naga", tmp_path)
    tokens = sequences(9)[0][None]
    mean = model(tokens, labels=tokens).loss
    total = model(tokens, labels=tokens, num_items_in_batch=torch.tensor(16)).loss
    torch.testing.assert_close(total * 16, mean * 8)
    shifted = nn.functional.pad(tokens, (0, 1), value=-100)[:, 1:]
    torch.testing.assert_close(model(tokens, shift_labels=shifted).loss, mean)


@pytest.mark.parametrize("name", MODELS)
def test_gradient_checkpointing_changes_no_gradient(name: str, tmp_path: Path) -> None:
    _, model = pair(name, tmp_path)
    tokens = sequences(13)[0][None]

    def gradients() -> list[Tensor]:
        model.zero_grad()
        output = model(tokens, labels=tokens, output_router_logits=True)
        output.loss.backward()
        return [w.grad for w in model.parameters() if w.grad is not None]

    model.train()
    plain = gradients()
    model.activation_checkpointing_enable({"use_reentrant": False})
    assert model.model.gradient_checkpointing
    checkpointed = gradients()
    assert len(plain) == len(checkpointed) > 20
    assert all(one.equal(other) for one, other in zip(plain, checkpointed, strict=True))


def test_autocast_is_nagas_compute_dtype(tmp_path: Path) -> None:
    ours, model = pair("granitemoehybrid-moe", tmp_path)
    tokens = sequences(13)[0]
    with torch.autocast("cpu", torch.bfloat16):
        given = model.base_model(tokens[None]).last_hidden_state[0]
    assert given.equal(ours(tokens, pack([13], "cpu"), torch.bfloat16).hidden)


def test_hidden_states_are_those_between_the_layers(tmp_path: Path) -> None:
    ours, model = pair("granitemoehybrid-moe", tmp_path)
    tokens = sequences(11, 4)
    input_ids, mask = padded(tokens, "left")
    states = model(input_ids, attention_mask=mask, output_hidden_states=True).hidden_states
    assert len(states) == model.config.num_hidden_layers + 1 == 9
    assert states[0][0].equal(ours.embed(tokens[0]) * ours.config.embedding_multiplier)
    batch = pack([11], "cpu")
    torch.testing.assert_close(states[1][0], ours.layers[0](states[0][0], batch)[0])
    assert (states[3][1, :7] == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_router_logits_weigh_the_loss(name: str, tmp_path: Path) -> None:
    _, model = pair(name, tmp_path)
    tokens = sequences(11)[0][None]
    plain = model(tokens, labels=tokens)
    assert plain.router_logits is None and plain.aux_loss is None
    model.config.router_aux_loss_coef = 0.25
    routed = model(tokens, labels=tokens, output_router_logits=True)
    assert [tuple(x.shape) for x in routed.router_logits] == [
        (11, model.config.num_experts)
    ] * model.config.layers.count("E")
    torch.testing.assert_close(routed.loss, plain.loss + 0.25 * routed.aux_loss)
    model.save_pretrained(tmp_path / "again")
    again = NagaForCausalLM.from_pretrained(tmp_path / "again")
    assert again.config.model_config().moe.balance_loss == 0.25


def test_softmax_of_a_sigmoid_routers_logits_is_what_it_balances(tmp_path: Path) -> None:
    ours, model = pair("naga", tmp_path)
    tokens = sequences(11)[0]
    given = model(tokens[None], output_router_logits=True, output_hidden_states=True)
    layer = ours.layers[3]
    logits = layer.norm(given.hidden_states[3][0]) @ layer.mixer.router.weight.T
    expected = layer.mixer.router.probabilities(logits)
    torch.testing.assert_close(given.router_logits[0].softmax(-1), expected)


def test_only_the_logits_asked_for_are_made(tmp_path: Path) -> None:
    _, model = pair("naga", tmp_path)
    tokens = sequences(11)[0][None]
    whole = model(tokens).logits
    torch.testing.assert_close(model(tokens, logits_to_keep=2).logits, whole[:, -2:])
    places = torch.tensor([1, 5])
    torch.testing.assert_close(model(tokens, logits_to_keep=places).logits, whole[:, places])
    assert isinstance(model(tokens, return_dict=False), tuple)


@pytest.mark.parametrize("name", tiny.EVERY)
def test_both_forms_call_every_matrix_as_a_module(name: str, tmp_path: Path) -> None:
    """Else what wraps a linear module, as LoRA does, would be passed by in silence."""
    _, model = pair(name, tmp_path)
    kinds = (nn.Linear, nn.Embedding, Experts)
    wrapped = {key for key, module in model.named_modules() if isinstance(module, kinds)}
    called: set[str] = set()
    for key in wrapped:
        model.get_submodule(key).register_forward_hook(lambda *_, key=key: called.add(key))
    tokens = sequences(40)[0][None]
    model(tokens)
    assert called == wrapped
    called.clear()
    with torch.no_grad():
        model(tokens, use_cache=True)
    assert called == wrapped


PACKED = {"cu_seq_lens_q": torch.tensor([0, 4, 9])}
REFUSALS = {
    "input_ids or inputs_embeds": {"input_ids": None},
    "output_attentions": {"output_attentions": True},
    "begins at 3": {"position_ids": torch.arange(3, 12)[None]},
    "different sequences": PACKED | {"position_ids": torch.arange(9)[None]},
    "must rise from 0 to 9": {"cu_seq_lens_q": torch.tensor([0, 4, 8])},
    "must be cu_seq_lens_q": PACKED | {"cu_seq_lens_k": torch.tensor([0, 5, 9])},
    "without padding": PACKED | {"attention_mask": torch.tensor([[0] + [1] * 8])},
    "mask of tokens that exist": {"attention_mask": torch.ones(1, 1, 9, 9)},
    "no token is left": {"attention_mask": torch.zeros(1, 9)},
    "under torch.no_grad": {"use_cache": True},
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_what_cannot_be_honoured_is_refused(reason: str, tmp_path: Path) -> None:
    _, model = pair("granitemoehybrid-moe", tmp_path)
    with pytest.raises(ConfigError, match=reason):
        model(**{"input_ids": sequences(9)[0][None]} | REFUSALS[reason])


CACHED_REFUSALS = {
    "neither hidden states": {"output_hidden_states": True},
    "packed batches": PACKED,
    "without a jump": {"position_ids": torch.tensor([[0, 1, 2, 0, 1, 2, 3, 4, 5]])},
    "not at 0": {"position_ids": torch.arange(1, 10)[None]},
    "ends in padding": {"attention_mask": torch.tensor([[1] * 8 + [0]])},
}


@torch.no_grad()
@pytest.mark.parametrize("reason", CACHED_REFUSALS)
def test_what_cannot_be_honoured_with_a_cache_is_refused(reason: str, tmp_path: Path) -> None:
    _, model = pair("granitemoehybrid-moe", tmp_path)
    with pytest.raises(ConfigError, match=reason):
        model(sequences(9)[0][None], use_cache=True, **CACHED_REFUSALS[reason])


def test_a_model_without_experts_has_no_router_logits(tmp_path: Path) -> None:
    _, model = pair("granitemoehybrid-dense", tmp_path)
    assert not any(hasattr(model.config, key) for key in ("num_experts", "output_router_logits"))
    with pytest.raises(ConfigError, match="no experts"):
        model(sequences(9)[0][None], output_router_logits=True)

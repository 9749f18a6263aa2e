import json
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.config.base import ConfigError
from naga.data.loader import Loader, LoaderState
from naga.data.packing import PackedBatch, Sample

LENGTHS = st.lists(st.integers(0, 12), min_size=1, max_size=8).filter(lambda found: max(found) > 1)


def make_samples(lengths: list[int]) -> list[Sample]:
    """Sample i holds the tokens 100 i, 100 i + 1, ..., so that a token names its place."""
    return [
        Sample(
            tokens=np.arange(100 * rank, 100 * rank + length, dtype=np.int32),
            loss_mask=np.ones(length, dtype=np.bool_),
        )
        for rank, length in enumerate(lengths)
    ]


def make_loader(
    lengths: list[int], *, batch: int = 7, longest: int = 5, seed: int = 0, split: bool = True
) -> Loader:
    return Loader(
        make_samples(lengths),
        tokens_per_batch=batch,
        sequence_len=longest,
        seed=seed,
        split=split,
    )


def content(batch: PackedBatch) -> tuple[list[int], list[int], tuple[int, ...]]:
    return batch.tokens.tolist(), batch.targets.tolist(), batch.lengths


@given(
    lengths=LENGTHS,
    batch=st.integers(1, 20),
    longest=st.integers(1, 12),
    seed=st.integers(0, 3),
    split=st.booleans(),
    before=st.integers(0, 6),
)
def test_a_restored_loader_gives_the_same_batches(
    lengths: list[int], batch: int, longest: int, seed: int, split: bool, before: int
) -> None:
    if not split:
        lengths = [*lengths, 2]  # one that always fits
    settings = {"batch": batch, "longest": longest, "seed": seed, "split": split}
    loader = make_loader(lengths, **settings)
    for _ in range(before):
        loader.next()
    saved = json.dumps(asdict(loader.state()))
    expected = [content(loader.next()) for _ in range(6)]

    resumed = make_loader(lengths, **settings)
    resumed.restore(LoaderState(**json.loads(saved)))
    assert [content(resumed.next()) for _ in range(6)] == expected


@given(lengths=LENGTHS, batch=st.integers(1, 20), longest=st.integers(1, 12))
def test_split_batches_are_full_and_lose_nothing(
    lengths: list[int], batch: int, longest: int
) -> None:
    loader = make_loader(lengths, batch=batch, longest=longest)
    positions = sum(max(0, length - 1) for length in lengths)
    assert (loader.tokens_per_epoch, loader.dropped) == (positions, 0)
    # As many batches as make whole epochs: then each position came once per epoch.
    batches = [loader.next() for _ in range(positions)]
    assert all(len(b.tokens) == sum(b.lengths) == batch for b in batches)
    assert all(max(b.lengths) <= longest for b in batches)
    seen = Counter(token for b in batches for token in b.tokens.tolist())
    every = [100 * r + i for r, length in enumerate(lengths) for i in range(length - 1)]
    assert seen == dict.fromkeys(every, batch)
    assert loader.state().epoch == batch


@given(lengths=LENGTHS, batch=st.integers(1, 20), longest=st.integers(1, 12))
def test_whole_samples_are_never_cut_and_the_rest_is_counted(
    lengths: list[int], batch: int, longest: int
) -> None:
    limit = min(batch, longest)
    lengths = [*lengths, 2]
    loader = make_loader(lengths, batch=batch, longest=longest, split=False)
    fitting = {100 * r: n - 1 for r, n in enumerate(lengths) if 1 < n <= limit + 1}
    assert loader.dropped == sum(length > limit + 1 for length in lengths)
    seen: Counter[int] = Counter()
    while not loader.state().epoch:
        found = loader.next()
        assert 0 < len(found.tokens) <= batch
        starts = found.tokens[np.cumsum((0, *found.lengths[:-1]))].tolist()
        assert [fitting[start] for start in starts] == list(found.lengths)
        seen.update(starts)
    assert set(seen) == set(fitting)


@given(lengths=LENGTHS, split=st.booleans())
def test_targets_stay_in_their_sample(lengths: list[int], split: bool) -> None:
    loader = make_loader([*lengths, 2], split=split)
    for _ in range(8):
        batch = loader.next()
        assert np.array_equal(batch.targets, batch.tokens + 1)


def order_of_epochs(seed: int, epochs: int) -> list[list[int]]:
    loader = make_loader([2] * 20, batch=20, longest=5, seed=seed)
    return [(loader.next().tokens // 100).tolist() for _ in range(epochs)]


def test_every_epoch_has_its_own_order() -> None:
    first, second, third = order_of_epochs(seed=0, epochs=3)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second != third != first
    assert first != list(range(20))


def test_the_order_depends_on_the_seed_alone() -> None:
    assert order_of_epochs(seed=1, epochs=2) == order_of_epochs(seed=1, epochs=2)
    assert order_of_epochs(seed=1, epochs=1) != order_of_epochs(seed=2, epochs=1)


@pytest.mark.parametrize(
    "other", [make_loader([4, 5]), make_loader([5, 4]), make_loader([4, 6], seed=1)]
)
def test_a_state_of_other_data_or_seed_is_refused(other: Loader) -> None:
    loader = make_loader([4, 6])
    with pytest.raises(ConfigError, match="data or the seed changed"):
        loader.restore(other.state())


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(ConfigError, match="every document is empty"):
        make_loader([0, 1])
    with pytest.raises(ConfigError, match="all 2 conversations are longer than 5 tokens"):
        make_loader([9, 9], split=False)

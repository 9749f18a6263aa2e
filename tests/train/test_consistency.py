"""The training of the classifier ends in a checkpoint that gives opinions, with thresholds."""

from pathlib import Path

import pytest

from naga.config.base import ConfigError
from naga.config.consistency import ConsistencyConfig
from naga.config.load import load_config
from naga.rewards.consistency import open_consistency
from naga.runtime import make_runtime
from naga.tasks.pairs import VERDICTS, make_pairs
from naga.train.consistency import pair_samples, pair_tokenizer, train_consistency
from naga.train.consistency_table import as_markdown, measure_consistency, summed

RECIPE = Path(__file__).parents[2] / "recipes" / "consistency.toml"


def config(folder: Path, *overrides: str) -> ConsistencyConfig:
    short = ("data.count=300", "data.tokens_per_batch=500", "schedule.steps=40")
    short += ("schedule.warmup_steps=3", "schedule.decay_steps=10")
    more = ("thresholds.count=30", "model.vocab_size=300")
    return load_config(
        ConsistencyConfig, RECIPE, (f"run_dir={folder / 'run'}", *short, *more, *overrides)
    )


def test_a_run_ends_in_a_checkpoint_with_thresholds(tmp_path: Path) -> None:
    wanted = config(tmp_path)
    final = train_consistency(wanted, make_runtime(wanted.device, wanted.dtype))
    with open_consistency(final) as model:
        assert model.thresholds is not None
        assert model.engine.model_config == wanted.model
        assert 0 <= model("Q", "12", "13").match <= 1


def test_only_the_verdict_and_its_end_are_learned() -> None:
    pairs = list(make_pairs("train", seed=0, count=60))
    tokenizer = pair_tokenizer(pairs, 300)
    for pair, sample in zip(pairs, pair_samples(tokenizer, pairs), strict=True):
        assert sample.loss_mask.sum() == 2
        assert tokenizer.decode(sample.tokens[sample.loss_mask].tolist()) == VERDICTS[pair.label]


def test_a_vocabulary_that_the_pairs_cannot_fill_is_refused() -> None:
    with pytest.raises(ConfigError, match="vocab_size"):
        pair_tokenizer(list(make_pairs("train", seed=0, count=3)), 4096)


def test_the_table_counts_errors_of_all_three() -> None:
    folder = RECIPE.parents[1] / "naga" / "assets" / "naga-verdict"
    lines = measure_consistency(folder, count=40, seed=1, sets=("families",))
    matching = summed(lines, "families", "match")
    assert matching.count == sum(line.count for line in lines if line.label == "match")
    assert matching.errors["both"].wrong < matching.errors["rules"].wrong
    assert as_markdown(lines).count("\n") == len(lines) + 3 + 2

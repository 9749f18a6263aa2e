"""recipes/mini.toml: the recipe a newcomer runs first."""

from pathlib import Path

from naga.checkpoint.config import choose_layout
from naga.config.load import load_config
from naga.config.train import PretrainConfig
from naga.record import Run
from naga.runtime import make_runtime
from naga.train.pretrain import pretrain

RECIPE = Path(__file__).parents[2] / "recipes" / "mini.toml"


def test_the_model_opens_in_transformers() -> None:
    assert choose_layout(load_config(PretrainConfig, RECIPE).model) == "granitemoehybrid"


def test_it_trains_on_a_folder(data: Path, tmp_path: Path) -> None:
    changes = [
        f"data.paths=[{data / 'corpus'}]",
        f"tokenizer={data / 'tokenizer'}",
        f"run_dir={tmp_path / 'run'}",
        "data.tokens_per_batch=128",
        "model.vocab_size=300",
        "schedule.steps=4",
        "schedule.warmup_steps=1",
        "schedule.decay_steps=0",
    ]
    config = load_config(PretrainConfig, RECIPE, changes)
    pretrain(config, make_runtime(config.device, config.dtype))
    rows = Run(path=tmp_path / "run").read()
    assert rows[-1].loss < rows[0].loss

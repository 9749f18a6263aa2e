"""`naga pretrain` and `naga sft`, with what comes before and after them."""

import json
from pathlib import Path

from cli.running import RECIPE, ROOT, Run

from naga.checkpoint.load import load_model
from naga.runtime import make_runtime


def test_the_whole_life_of_a_checkpoint(naga: Run, tmp_path: Path) -> None:
    """tokenizer train -> pretrain -> tasks write -> sft -> inspect -> generate."""
    (tmp_path / "text").mkdir()
    text = "The tenant pays 12 coins on the first day. 承租人应当按月支付租金。\n" * 30
    (tmp_path / "text" / "a.txt").write_text(text, encoding="utf-8")
    assert naga("tokenizer", "train", tmp_path / "t", tmp_path / "text").code == 0
    common = [
        "schedule.warmup_steps=0",
        "schedule.decay_steps=1",
        "schedule.steps=3",
        "dtype=float32",
    ]
    small = [
        "data.tokens_per_batch=256",
        "model.vocab_size=512",
        "model.hidden_dim=32",
        "model.max_positions=2048",
        "model.mamba.head_dim=8",
    ]
    first = tmp_path / "pretrain"
    places = [
        f"run_dir={first}",
        f"tokenizer={tmp_path / 't'}",
        f"data.paths=[{tmp_path / 'text'}]",
    ]
    result = naga("pretrain", RECIPE, *places, *small, *common)
    assert (result.code, result.out) == (0, ""), result.err
    assert "done: 3 steps" in result.err
    rows = (first / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3]
    chats, second = tmp_path / "chats.jsonl", tmp_path / "sft"
    assert naga("tasks", "write", chats, "--count=20", "--shares=comparing=1,chat=1").code == 0
    recipe = ROOT / "recipes" / "naga-mini" / "sft.toml"
    places = [f"run_dir={second}", f"init_from={first / 'final'}", f"data.paths=[{chats}]"]
    result = naga("sft", recipe, *places, *common)
    assert result.code == 0, result.err
    before, after = (
        load_model(run / "final", make_runtime("cpu", "float32")).state_dict()
        for run in (first, second)
    )
    assert not before["embed.weight"].equal(after["embed.weight"])
    assert naga("inspect", second / "final").code == 0
    places[0] = f"run_dir={tmp_path / 'lora'}"
    result = naga("sft", recipe, *places, *common, "--lora")
    assert result.code == 0, result.err
    adapted = load_model(tmp_path / "lora" / "final", make_runtime("cpu", "float32")).state_dict()
    assert adapted["embed.weight"].equal(before["embed.weight"])
    result = naga("generate", second / "final", "3 > 2?", "--max-tokens=6", "--json")
    assert result.code == 0 and json.loads(result.out)["usage"]["completion_tokens"] > 0
    again = naga("pretrain", RECIPE, *[f"run_dir={first}"], *small, "optim.lr=1.0")
    assert again.code == 2 and again.err.count("\n") == 1

"""`naga tokenizer train` and `naga tasks write`: the files that training starts from."""

import json
from pathlib import Path

from cli.running import Run

from naga.data.tokenizer import Tokenizer


def test_tasks_write_makes_conversations(naga: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "tasks.jsonl"
    result = naga("tasks", "write", out, "--count", "12", "--shares", "addition=1,counting=2")
    assert (result.code, result.out) == (0, f"{out}: 12 conversations\n")
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 12
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows)
    naga("tasks", "write", tmp_path / "again.jsonl", "--count=12", "--shares=addition=1,counting=2")
    assert (tmp_path / "again.jsonl").read_bytes() == out.read_bytes()


def test_tokenizer_train_writes_a_tokenizer(naga: Run, tmp_path: Path) -> None:
    text, out = tmp_path / "a.txt", tmp_path / "tokenizer"
    text.write_text("the rent of the tenant 租金 12\n" * 9, encoding="utf-8")
    result = naga("tokenizer", "train", out, text, "--vocab-size", "280")
    tokenizer = Tokenizer.load(out)
    assert (result.code, result.out) == (0, f"{out}: {tokenizer.vocab_size} tokens\n")
    assert tokenizer.is_chat() and 266 < tokenizer.vocab_size <= 280

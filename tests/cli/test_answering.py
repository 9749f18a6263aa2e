"""`naga generate` and `naga chat`: what they print, and how options shape the answer."""

import io
import json
import sys
from pathlib import Path

import pytest
from cli.running import NAGA_MINI, Run, refused

from naga.data.tokenizer import Tokenizer


def test_generate_prints_json(naga: Run, checkpoint: Path) -> None:
    result = naga("generate", checkpoint, "the rent", "--max-tokens", "5", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found.keys() == {"text", "reasoning", "finish_reason", "usage", "timings"}
    assert isinstance(found["text"], str) and isinstance(found["reasoning"], str)
    usage = found["usage"]
    assert 1 <= usage["completion_tokens"] <= 5 and usage["prompt_tokens"] > 0
    assert found["finish_reason"] == ("length" if usage["completion_tokens"] == 5 else "stop")
    assert found["timings"]["first_token_s"] > 0


def test_generate_raw_skips_the_template(naga: Run, checkpoint: Path, tokenizer: Tokenizer) -> None:
    answers = [
        json.loads(naga("generate", checkpoint, "the rent", *flags, "--json").out)
        for flags in (["--max-tokens=4", "--raw"], ["--max-tokens=4"])
    ]
    raw, chat = (answer["usage"]["prompt_tokens"] for answer in answers)
    assert raw == len(tokenizer.encode("the rent"))
    assert chat == raw + 4, "<|user|> … <|end|> <|assistant|> <think>"
    assert answers[0]["reasoning"] == ""


def test_generate_holds_to_a_schema_or_a_regex(naga: Run, checkpoint: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "array", "items": {"enum": ["甲", "乙"]}, "maxItems": 2}')
    flags = ("--no-thinking", "--max-tokens=40")
    held = naga("generate", checkpoint, "rent", "--json-schema", schema, *flags)
    assert held.code == 0 and json.loads(held.out) in (
        [],
        ["甲"],
        ["乙"],
        *([a, b] for a in "甲乙" for b in "甲乙"),
    )
    matched = naga("generate", checkpoint, "rent", "--regex", "(yes|no)!", *flags)
    assert matched.out.strip() in ("yes!", "no!")
    schema.write_text('{"not": {}}')
    assert "not" in refused(naga("generate", checkpoint, "rent", "--json-schema", schema, *flags))
    both = ("--json-schema", schema, "--regex", "a", *flags)
    assert "only one" in refused(naga("generate", checkpoint, "rent", *both))


def test_generate_closes_a_thought_at_its_budget(naga: Run, checkpoint: Path) -> None:
    flags = ("--max-tokens=4", "--thinking-budget=0", "--json")
    usage = json.loads(naga("generate", checkpoint, "the rent", *flags).out)["usage"]
    assert usage["reasoning_tokens"] == 1
    raw = naga("generate", checkpoint, "the rent", "--raw", "--thinking-budget=3")
    assert "thinking_budget" in refused(raw)


def test_generate_reads_standard_input(
    naga: Run, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--max-tokens=4", "--raw", "--seed=3", "--temperature=1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("租金".encode())))
    piped = naga("generate", checkpoint, "-", *flags)
    assert piped.code == 0 and piped.out == naga("generate", checkpoint, "租金", *flags).out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
    message = refused(naga("generate", checkpoint, "-", *flags))
    assert message == "standard input: not UTF-8 text"


def test_an_answer_depends_on_its_seed_alone(naga: Run, checkpoint: Path) -> None:
    def answer(seed: int) -> str:
        flags = ("--max-tokens=12", "--temperature=1", "--raw", f"--seed={seed}")
        return naga("generate", checkpoint, "the", *flags).out

    assert answer(1) == answer(1) != answer(2)


def test_a_prompt_too_long_is_refused_with_the_counts(naga: Run, checkpoint: Path) -> None:
    prompt = "7" * 190
    message = refused(naga("generate", checkpoint, prompt, "--raw", "--max-tokens", "20"))
    assert message.startswith(
        "190 prompt tokens + 20 max_tokens = 210 exceeds the model's context of 200 tokens"
    )
    assert refused(naga("generate", checkpoint, "", "--raw")).startswith("the prompt is empty")


@pytest.mark.skipif(
    not (NAGA_MINI / "config.json").is_file(), reason="naga-mini is not in this tree"
)
def test_the_shipped_model_adds_up(naga: Run) -> None:
    result = naga("generate", NAGA_MINI, "What is 12 + 30?", "--json")
    assert result.code == 0, result.err
    assert "42" in json.loads(result.out)["text"]


def test_chat_prints_what_generate_does(
    naga: Run, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--max-tokens=8", "--no-thinking")
    answer = naga("generate", checkpoint, "the rent", *flags).out
    monkeypatch.setattr(sys, "stdin", io.StringIO("\nthe rent\n"))
    talk = naga("chat", checkpoint, *flags)
    assert (talk.code, talk.err) == (0, "")
    assert talk.out == f"{checkpoint.name} · Ctrl-D ends 结束\n› › {answer}› "


def test_chat_goes_on_from_what_was_said(
    naga: Run, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "7" * 95
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{line}\n{line}\n"))
    talk = naga("chat", checkpoint, "--max-tokens=8")
    assert talk.code == 2 and talk.out.count("› ") == 2
    assert "max_tokens" in talk.err and "exceeds the model's context of 200 tokens" in talk.err

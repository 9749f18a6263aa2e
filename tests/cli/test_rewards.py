"""`naga reward`: rows in and out, the service, the zoo's exit code, and programs in the sandbox."""

import io
import json
import shutil
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli.running import Run, refused
from rewards.conftest import completion, serving

from naga.config.base import ConfigError
from naga.rewards import Scorer, opening, zoo
from naga.rewards import serving as reward_serving
from naga.rewards.graders import reading_tasks, running_tasks
from naga.rewards.workers import Here
from naga.rewards.zoo import Outcome, Zoo
from naga.sandbox import Sandbox
from naga.tasks import Judging

RIGHT = {"prompt": "6 * 7?", "answer": "42", "response": "<think>6 * 7</think>The answer is 42."}
KEYS = {"tier", "status", "stdout", "stderr", "exit", "wall_s", "max_rss"}
TESTS = json.dumps(
    [{"call": "add", "args": [1, n], "expected": 3} for n in (1, 2)], separators=(",", ":")
)


class Opened(AbstractContextManager[Scorer]):
    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __enter__(self) -> Scorer:
        return self._scorer

    def __exit__(self, *error: object) -> None: ...


@pytest.fixture
def here() -> Scorer:
    """Graders in this process, and no sandbox."""
    return Scorer(reads=Here(reading_tasks()), runs=Here(running_tasks(Judging(workers=0))))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, here: Scorer) -> None:
    def opened(config: Any, **given: Any) -> Opened:
        given.pop("limits")
        return Opened(replace(here, config=config, **given))

    monkeypatch.setattr(opening, "open_scorer", opened)


def lines(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def test_rows_of_a_file_come_out_scored(naga: Run, tmp_path: Path) -> None:
    source, target = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    source.write_text(lines(RIGHT, {**RIGHT, "response": "43", "备注": "错"}) + "no row\n", "utf-8")
    result = naga("reward", "score", source, "--out", target)
    assert (result.code, result.out) == (0, ""), result.err
    assert "3 rows" in result.err and "1 missing" in result.err and "0.5000" in result.err
    found = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert [row["score"] for row in found] == [1.0, 0.0, None]
    assert found[1]["备注"] == "错" and found[2]["malformed"] == "no row"


@pytest.mark.usefixtures("quick")
def test_rows_of_standard_input_go_to_standard_output(
    naga: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = lines(RIGHT, {**RIGHT, "response": "42"}).encode() + b"\xff\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    result = naga("reward", "score", "--thinking", "on")
    assert [json.loads(line)["score"] for line in result.out.splitlines()] == [1.0, 0.0, None]
    assert result.code == 0 and result.err.count("\n") == 1


def test_a_reader_sees_the_same_answer_in_other_words(naga: Run, tmp_path: Path) -> None:
    row = {
        "prompt": "Who pays?",
        "answer": "the tenant",
        "response": "The answer is: it is the tenant who pays.",
    }
    (tmp_path / "rows.jsonl").write_text(lines(row, {**row, "response": ":"}))
    scores = {}
    for flag in ("--reader", "--no-reader"):
        out = naga("reward", "score", tmp_path / "rows.jsonl", flag).out
        scores[flag] = [json.loads(line) for line in out.splitlines()]
    read, ruled = scores["--reader"], scores["--no-reader"]
    assert "consistency" in read[0]["parts"] and "consistency" not in ruled[0]["parts"]
    assert read[1]["score"] == ruled[1]["score"] == 0.0


@pytest.mark.usefixtures("quick")
def test_a_judge_is_asked_with_its_key(
    naga: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> Any:
        seen.append(body)
        return completion("YES", {"YES": 0.9, "NO": 0.1})

    row = {"prompt": "A poem.", "answer": {"rubric": [{"criterion": "Short."}]}, "response": "Hi."}
    (tmp_path / "rows.jsonl").write_text(lines(row))
    monkeypatch.setenv(opening.KEY, "secret")
    keys: list[str | None] = []
    endpoint = opening.Endpoint
    monkeypatch.setattr(
        opening, "Endpoint", lambda config, key: (keys.append(key), endpoint(config, key=key))[1]
    )
    with serving(answer) as url:
        judge = ("--judge", url, "--judge-model", "strict")
        result = naga("reward", "score", tmp_path / "rows.jsonl", *judge)
    assert json.loads(result.out)["score"] == pytest.approx(0.9)
    assert seen[0]["model"] == "strict" and keys == ["secret"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("score", "/nowhere/rows.jsonl"), "/nowhere/rows.jsonl: No such file"),
        (("score", "--judge", "http://x/v1"), "--judge and --judge-model: give both"),
        (("serve", "--judge", "x", "--judge-model", "m"), "judge url 'x': must begin with http"),
        (("serve", "--tests", "some"), "Invalid value for '--tests'"),
        (("serve", "--port", "65536"), "Invalid value for '--port'"),
        (("zoo", "--count", "0"), "Invalid value for '--count'"),
        (("run-code", "/nowhere/a.py"), "/nowhere/a.py: No such file"),
        (
            ("run-code", "/nowhere/a.brainfuck"),
            "sandbox: no language 'brainfuck'; there are",
        ),
        (("run-code", "/nowhere/a"), "/nowhere/a: its ending must tell its language"),
        (("run-code", "/nowhere/a.py", "--tier", "bare"), "Invalid value for '--tier'"),
    ],
)
def test_a_mistake_is_one_line(naga: Run, words: tuple[str, ...], message: str) -> None:
    assert refused(naga("reward", *words)).startswith(message)


def test_a_file_that_cannot_be_written_is_one_line(naga: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(lines(RIGHT))
    result = naga("reward", "score", tmp_path / "rows.jsonl", "--out", tmp_path / "no" / "o.jsonl")
    assert "No such file" in refused(result)


def test_the_service_gets_the_same_options(naga: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    monkeypatch.setattr(reward_serving, "serve", lambda *given: taken.append(given))
    result = naga("reward", "serve", "--port", "0", "--tests", "fraction", "--thinking", "off")
    assert result.code == 0, result.err
    ((scorer, host, port),) = taken
    assert (host, port) == ("127.0.0.1", 0)
    assert (scorer.config.thinking, scorer.config.aggregate.tests) == ("off", "fraction")


@pytest.mark.parametrize(("earned", "code"), [(0.0, 0), (1.0, 1), (None, 1)])
def test_the_zoo_fails_where_a_cheat_escapes(
    earned: float | None, code: int, naga: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outcome = Outcome(policy="spam [b]", family="sum", score=earned, honest_wrong=0.0, reason="")
    found = Zoo(
        outcomes=(outcome,),
        honest_wrong={"sum": 0.0},
        gold={"sum": 1.0},
        injections=(),
        sandbox=True,
    )
    monkeypatch.setattr(zoo, "run_zoo", lambda count, progress: found)
    result = naga("reward", "zoo", "--json", "--markdown", tmp_path / "zoo.md")
    assert result.code == code, result.err
    assert len(json.loads(result.out)["escaped"]) == code
    assert "| spam [b] |" in (tmp_path / "zoo.md").read_text()
    shown = naga("reward", "zoo")
    assert shown.code == code and "spam [b]" in shown.out and ("!" in shown.out) == bool(code)


def require_sandbox() -> None:
    try:
        Sandbox(workers=1).close()
    except ConfigError as error:
        pytest.skip(str(error))


def test_a_program_is_run(naga: Run, tmp_path: Path) -> None:
    require_sandbox()
    (tmp_path / "a.py").write_text("import sys; print('hi'); sys.exit(3)")
    result = naga("reward", "run-code", tmp_path / "a.py", "--json")
    found = json.loads(result.out)
    assert set(found) >= KEYS and (found["stdout"], found["exit"]) == ("hi\n", 3)
    shown = naga("reward", "run-code", tmp_path / "a.py")
    assert shown.out == "hi\n" and found["tier"] in shown.err


@pytest.mark.parametrize("inline", [True, False])
def test_a_program_is_tested(inline: bool, naga: Run, tmp_path: Path) -> None:
    require_sandbox()
    (tmp_path / "a.py").write_text("def add(a, b): return a + b")
    (tmp_path / "tests.json").write_text(TESTS)
    tests = TESTS if inline else tmp_path / "tests.json"
    found = json.loads(
        naga("reward", "run-code", tmp_path / "a.py", "--tests", tests, "--json").out
    )
    assert set(found) >= {*KEYS, "passed", "total"}
    assert (found["passed"], found["total"]) == (1, 2)


def test_tests_that_are_none_are_one_line(naga: Run, tmp_path: Path) -> None:
    require_sandbox()
    (tmp_path / "a.py").write_text("")
    for tests in ("[3]", "[", "/nowhere/tests.json"):
        assert refused(naga("reward", "run-code", tmp_path / "a.py", "--tests", tests))


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_a_program_in_cpp_is_tested(naga: Run, tmp_path: Path) -> None:
    require_sandbox()
    source = "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << n + 1; }\n"
    (tmp_path / "a.cpp").write_text(source)
    tests = '[{"stdin": "41", "expected_stdout": "42"}]'
    result = naga("reward", "run-code", tmp_path / "a.cpp", "--tests", tests, "--json")
    found = json.loads(result.out)
    assert (found["passed"], found["total"]) == (1, 1), found

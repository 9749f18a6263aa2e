"""Code to write: which part of a reply is the program, and what of the tests it gets to see."""

import json
from pathlib import Path

import pytest
from tasks.public.made import HUMAN_EVAL, MBPP, SETS, write_rows

from naga.config.base import ConfigError
from naga.tasks.example import Example
from naga.tasks.public import CheckTest
from naga.tasks.public.harness import of_assertions, of_check
from naga.tasks.public.parsing import PLAIN, plain

WHOLE = "def root(x):\n    return helper(sqrt(x))"
BODY = "    return helper(sqrt(x))"


@pytest.fixture
def human(tmp_path: Path) -> Example:
    (example,) = SETS["humaneval"].read(write_rows(tmp_path / "rows.jsonl", [HUMAN_EVAL]))
    return example


@pytest.mark.parametrize(
    "reply",
    [
        f"```python\n{WHOLE}\n```",
        f"Here:\n```\n{WHOLE}\n```\nTry it:\n```python\nprint(root(4))\n```",
        f"```python\n{WHOLE}",
        WHOLE,
        BODY,
        f"```python\n{BODY}\n```",
        f"```py\nfrom math import sqrt\n{WHOLE}\n```",
    ],
)
def test_the_program_is_found_and_gets_what_the_prompt_begins_with(
    human: Example, reply: str
) -> None:
    assert SETS["humaneval"].grade(human, reply).score == 1.0


@pytest.mark.parametrize(
    "reply",
    [
        "```python\ndef root(x):\n    return 2\n```",
        "```python\ndef root(x):\n    raise SystemExit(0)\n```",
        f"```python\n{WHOLE}\nimport os\nos._exit(0)\n```",
        "def root(x):\n    class Same(float):\n        def __eq__(self, other): return True\n"
        "    return Same(7)",
        "def root(x):\n    class Same:\n        def __eq__(self, other): return True\n"
        "        def __sub__(self, other): return 0\n    return Same()",
        "x" * 200_000,
        "def root(",
    ],
)
def test_what_is_wrong_or_cheats_scores_zero(human: Example, reply: str) -> None:
    assert SETS["humaneval"].grade(human, reply).score == 0.0


def test_expected_values_do_not_enter_the_program(tmp_path: Path) -> None:
    row = MBPP | {"test_list": ["assert swap((1, 2)) == (31337, 1)"]}
    (example,) = SETS["mbpp"].read(write_rows(tmp_path / "rows.jsonl", [row]))
    answer = json.loads(example.answer)
    assert "31337" not in answer["harness"]
    assert answer["tests"][0]["expected"] == {"tuple": [31337, 1]}
    (example,) = SETS["humaneval"].read(write_rows(tmp_path / "more.jsonl", [HUMAN_EVAL]))
    value, check = json.loads(example.answer)["tests"]
    assert value["expected"] == 2 and check["entry_point"] == "root"
    assert "1.41" in check["check"] and "1.41" not in json.loads(example.answer)["harness"]


def test_a_check_with_a_loop_is_one_test() -> None:
    source = "def check(candidate):\n    for i in range(3):\n        assert candidate(i) == i\n"
    harness = of_check(source, "f")
    assert harness is not None and harness.text == ""
    assert harness.tests == (CheckTest(check=source, entry_point="f"),)


@pytest.mark.parametrize(
    "source",
    ["", "def check(", "def test(c): pass", "check = 1", "def check(c):\n  '\\d'\n  (", "\0"],
)
def test_a_test_that_is_no_check_is_refused(source: str, tmp_path: Path) -> None:
    assert of_check(source, "f") is None
    if source and "\0" not in source:
        path = write_rows(tmp_path / "rows.jsonl", [HUMAN_EVAL | {"test": source}])
        with pytest.raises(ConfigError, match=r":1: 'test' is no Python"):
            list(SETS["humaneval"].read(path))


@pytest.mark.parametrize("line", ["f(1) == 2", "assert", "assert f(1) == 2\nimport os", "x = 1"])
def test_what_is_no_assertion_is_refused(line: str, tmp_path: Path) -> None:
    assert of_assertions([line], "") is None
    path = write_rows(tmp_path / "rows.jsonl", [MBPP | {"test_list": [line]}])
    with pytest.raises(ConfigError, match=r":1: 'test_list' is not a list of assertions"):
        list(SETS["mbpp"].read(path))


VALUES = [
    None, True, False, 0, -7, 2**70, 1.5, 2.0, 1e300, float("inf"), float("nan"), 1j, "", "é", b"x",
    [], [1, [2]], (), (1,), {1, 2}, frozenset("ab"), {}, {"a": (1,), 2: [3]}, {(1, 2): {3}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_both_twins_give_the_same_plain_json(value: object) -> None:
    names: dict[str, object] = {}
    exec(PLAIN, names)
    inside = names["_naga_plain"]
    assert callable(inside)
    assert json.dumps(inside(value)) == json.dumps(plain(value))


def test_equal_values_have_equal_forms_and_others_do_not() -> None:
    assert plain(2.0) == plain(2) and plain({1, 2}) == plain({2, 1})
    assert plain({"a": 1, "b": 2}) == plain({"b": 2, "a": 1})
    forms = [
        json.dumps(plain(value)) for value in ([1], (1,), {1}, {1: 1}, "1", 1, 1.5, b"1", None)
    ]
    assert len(set(forms)) == len(forms)
    with pytest.raises(TypeError, match="cannot be compared"):
        plain(object())


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("[ANSWER]assert f(1) == (1, {1})[/ANSWER]", 1.0),
        ("[ANSWER](1.0, {1})[/ANSWER]", 1.0),
        ("It is\n(1, {1})", 1.0),
        ("[ANSWER](9, {1})[/ANSWER] no: [ANSWER](1, {1})", 1.0),
        ("[ANSWER](1, {1})[/ANSWER] no: [ANSWER](9, {1})", 0.0),
        ("[ANSWER](1, {1}) or (2, {2})[/ANSWER]", 0.0),
        ("[ANSWER]f(1)[/ANSWER]", 0.0),
        ("[ANSWER]__import__('os').getcwd()[/ANSWER]", 0.0),
        ("[ANSWER]" + "(" * 50_000, 0.0),
        ("[ANSWER]" + "-" * 15_000 + "1", 0.0),
        ("[ANSWER]" + "9" * 15_000, 0.0),
    ],
)
def test_a_predicted_output_is_compared_as_a_value(
    reply: str, score: float, tmp_path: Path
) -> None:
    task = SETS["cruxeval_output"]
    row = {"code": "def f(x):\n    return x", "input": "1", "output": "(1, {1})", "id": "s"}
    (example,) = task.read(write_rows(tmp_path / "rows.jsonl", [row]))
    assert task.grade(example, reply).score == score

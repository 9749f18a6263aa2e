"""Function calls: how they may be written, what counts as the same, what makes no call at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from tasks.public.made import write_rows

from naga.config.base import ConfigError
from naga.tasks.example import Example
from naga.tasks.public import Bfcl
from naga.tasks.public.calls import find_calls

FUNCTION = {
    "name": "music.play",
    "description": "Play.",
    "parameters": {
        "type": "dict",
        "properties": {
            "artist": {"type": "string"},
            "minutes": {"type": "integer"},
            "volume": {"type": "float"},
            "loud": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "range": {"type": "dict", "properties": {"low": {"type": "integer"}}},
        },
        "required": ["artist", "minutes"],
    },
}
ALLOWED = {
    "artist": ["Maroon 5", "Maroon Five"],
    "minutes": [15],
    "volume": [2.0, ""],
    "loud": [True, ""],
    "tags": [["pop", "rock"], ""],
    "range": [{"low": [1], "high": [2, ""]}, ""],
}
OTHER = {"artist": ["Taylor Swift"], "minutes": [20]}


def question(identity: str, **changed: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Play Maroon 5 for 15 minutes."}]
    return {"id": identity, "question": [messages], "function": [FUNCTION]} | changed


def read(tmp_path: Path, row: dict[str, Any], truth: list[Any]) -> list[Example]:
    (tmp_path / "possible_answer").mkdir(exist_ok=True)
    answer = {"id": row.get("id"), "ground_truth": truth}
    write_rows(tmp_path / "possible_answer" / "BFCL_v4_x.json", [answer])
    return list(Bfcl().read(write_rows(tmp_path / "BFCL_v4_x.json", [row])))


@pytest.fixture
def simple(tmp_path: Path) -> Example:
    (example,) = read(tmp_path, question("simple_python_0"), [{"music.play": ALLOWED}])
    return example


@pytest.fixture
def parallel(tmp_path: Path) -> Example:
    truth = [{"music.play": ALLOWED}, {"music.play": OTHER}]
    (example,) = read(tmp_path, question("parallel_3"), truth)
    return example


ARGUMENTS = {"artist": "Maroon 5", "minutes": 15}


@pytest.mark.parametrize(
    "reply",
    [
        "music.play(artist='Maroon 5', minutes=15)",
        "[music.play(artist='Maroon 5', minutes=15)]",
        "music_play(minutes=15, artist='maroon-5')",
        "I will play it:\n```python\nmusic.play(artist='Maroon Five', minutes=15, volume=2)\n```",
        "I will play it.\n[music.play(artist='Maroon 5', minutes=15, tags=['Pop', 'rock'])]",
        "`music.play(artist='Maroon 5', minutes=15, range={'low': 1})`",
        "music.play(artist='Maroon 5', minutes=15, loud=true, range={'low': 1, 'high': 2})",
        json.dumps({"name": "music.play", "arguments": ARGUMENTS}),
        json.dumps([{"name": "music.play", "arguments": json.dumps(ARGUMENTS)}]),
        json.dumps({"music.play": ARGUMENTS}),
        json.dumps(
            {"type": "function", "function": {"name": "music.play", "parameters": ARGUMENTS}}
        ),
        f"<tool_call>\n{json.dumps({'name': 'music.play', 'arguments': ARGUMENTS})}\n</tool_call>",
        f"Sure: {json.dumps({'name': 'music.play', 'arguments': ARGUMENTS}, indent=1)}",
    ],
)
def test_a_right_call_is_right_however_it_is_written(simple: Example, reply: str) -> None:
    verdict = Bfcl().grade(simple, reply)
    assert verdict.score == 1.0 and verdict.parts == {"exact": 1.0, "calls": 1.0}


@pytest.mark.parametrize(
    "reply",
    [
        "music.stop(artist='Maroon 5', minutes=15)",
        "music.play(artist='Maroon 5')",
        "music.play(artist='Maroon 6', minutes=15)",
        "music.play(artist='Maroon 5', minutes=15.0)",
        "music.play(artist='Maroon 5', minutes='15')",
        "music.play(artist='Maroon 5', minutes=True)",
        "music.play(artist='Maroon 5', minutes=15, loud=1)",
        "music.play(artist='Maroon 5', minutes=15, mood='sad')",
        "music.play(artist='Maroon 5', minutes=15, tags=['rock', 'pop'])",
        "music.play(artist='Maroon 5', minutes=15, tags='pop')",
        "music.play(artist='Maroon 5', minutes=15, range={'high': 2})",
        "music.play(artist='Maroon 5', minutes=15, range={'low': 1, 'x': 2})",
        "music.play('Maroon 5', 15)",
        "music.play('Maroon 5', minutes=15, **{'a': 1})",
        "music.play(artist='Maroon 5', minutes=10 + 5)",
        "music.play(artist='Maroon 5', minutes=int('15'))",
        "music.play(artist='Maroon 5', minutes=15); music.play(artist='Maroon 5', minutes=15)",
        "[music.play(artist='Maroon 5', minutes=15), music.play(artist='X', minutes=15)]",
        "x = music.play(artist='Maroon 5', minutes=15)",
        "(lambda: 0)(artist='Maroon 5', minutes=15)",
        '{"name": "music.play", "arguments": [1]}',
        '{"name": 7, "arguments": {}}',
        "[]",
        "",
        "f(" * 30_000,
        '{"music.play":' * 30_000,
        "music.play(artist='Maroon 5', minutes=" + "9" * 9_000 + ")",
    ],
)
def test_a_wrong_call_is_wrong(simple: Example, reply: str) -> None:
    verdict = Bfcl().grade(simple, reply)
    assert verdict.score == 0.0 and verdict.reason


FIRST, SECOND = (
    "music.play(artist='Maroon 5', minutes=15)",
    "music.play(artist='Taylor Swift', minutes=20)",
)


@pytest.mark.parametrize(
    ("reply", "score", "calls"),
    [
        (f"[{FIRST}, {SECOND}]", 1.0, 1.0),
        (f"[{SECOND}, {FIRST}]", 1.0, 1.0),
        (f"{SECOND}\n{FIRST}", 1.0, 1.0),
        (f"Both:\n{SECOND}\n{FIRST}", 1.0, 1.0),
        (f"[{FIRST}]", 0.0, 0.5),
        (f"[{FIRST}, {FIRST}]", 0.0, 0.5),
        (f"[{FIRST}, {SECOND}, {SECOND}]", 0.0, 2 / 3),
        (f"[{', '.join([FIRST, SECOND] * 40)}]", 0.0, 0.0),
    ],
)
def test_parallel_calls_come_in_any_order_and_number_counts(
    parallel: Example, reply: str, score: float, calls: float
) -> None:
    verdict = Bfcl().grade(parallel, reply)
    assert verdict.score == score and verdict.parts["calls"] == pytest.approx(calls)


def test_calls_are_assigned_so_that_most_fit(tmp_path: Path) -> None:
    wide = {"artist": ["A", "B"], "minutes": [1]}
    narrow = {"artist": ["A"], "minutes": [1]}
    truth = [{"music.play": wide}, {"music.play": narrow}]
    (example,) = read(tmp_path, question("parallel_1"), truth)
    reply = "[music.play(artist='A', minutes=1), music.play(artist='B', minutes=1)]"
    assert Bfcl().grade(example, reply).score == 1.0


@pytest.mark.parametrize(
    ("identity", "reply", "score"),
    [
        ("irrelevance_0", "None of these functions fits (sorry).", 1.0),
        ("live_irrelevance_3-0-1", "[]", 1.0),
        ("irrelevance_0", FIRST, 0.0),
        ("irrelevance_0", f"None fits.\n{FIRST}", 0.0),
        ("irrelevance_0", "", 0.0),
        ("live_relevance_0-0-0", FIRST, 1.0),
        ("live_relevance_0-0-0", "None fits.", 0.0),
    ],
)
def test_no_call_is_right_where_no_function_fits(
    identity: str, reply: str, score: float, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "BFCL_v4_irrelevance.json", [question(identity)])
    (example,) = Bfcl().read(path)
    assert Bfcl().grade(example, reply).score == score


def test_gold_is_written_of_the_first_allowed_values(simple: Example, parallel: Example) -> None:
    assert simple.messages[-1].content == f"[{FIRST}]"
    assert parallel.messages[-1].content == f"[{FIRST}, {SECOND}]"
    for example in (simple, parallel):
        assert Bfcl().grade(example, example.messages[-1].content).score == 1.0
    assert "music.play" in example.messages[0].content and example.messages[0].role == "system"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (question("multi_turn_base_0"), "no category that is graded here"),
        (question("simple_java_0"), "no category"),
        (question("x"), "no category"),
        (question("simple_0", question=[]), "'question' must be one turn"),
        (question("simple_0", question=[[], []]), "'question' must be one turn"),
        (question("simple_0", question=[[{"role": "tool", "content": "x"}]]), "role system or"),
        (question("simple_0", question=[[{"role": "system", "content": "x"}]]), "no user message"),
        (question("simple_0", function=[]), "no 'function'"),
        (question("simple_0", function=[{"name": "f"}]), "a name and parameters"),
        (question("simple_0", function=[{"name": "f", "parameters": {}}]), "no properties"),
        (question("simple_0", function="f"), "no 'function'"),
    ],
)
def test_a_bad_question_is_refused(row: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, row, [{"music.play": OTHER}])
    assert f"{tmp_path / 'BFCL_v4_x.json'}:1: " in str(caught.value) and says in str(caught.value)


@pytest.mark.parametrize(
    "truth", [[], [7], [{}], [{"f": 7}], [{"f": {"a": 1}}], [{"f": {"a": []}}]]
)
def test_a_bad_possible_answer_is_refused(truth: list[Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"possible_answer/BFCL_v4_x.json:1: "):
        read(tmp_path, question("simple_0"), truth)


def test_missing_possible_answers_are_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "BFCL_v4_simple.json", [question("simple_0")])
    with pytest.raises(ConfigError, match="possible answers; put it there"):
        list(Bfcl().read(path))
    other = write_rows(
        tmp_path / "answers.jsonl", [{"id": "simple_9", "ground_truth": [{"f": {"a": [1]}}]}]
    )
    with pytest.raises(ConfigError, match=r":1: no possible answer has the id 'simple_0'"):
        list(Bfcl(other).read(path))


def test_words_are_no_calls() -> None:
    for text in ("None fits (sorry).", "I can't.", "f", "1 + 1", "[1, 2]", '{"a": 1}', "'f(x)'"):
        assert find_calls(text) == (), text

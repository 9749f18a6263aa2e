"""Questions: of families, distinct and of the training split; of files, each mistake named."""

import json
from pathlib import Path
from typing import Any

import pytest

from naga.config.base import ConfigError
from naga.config.distill import DistillConfig, QuestionsConfig
from naga.config.load import load_config, parse_config
from naga.distill.questions import make_questions, read_questions
from naga.distill.rows import read_question, read_rows, to_row
from naga.tasks import make_tasks

RECIPES = Path(__file__).parents[2] / "recipes"


def asking(**values: Any) -> QuestionsConfig:
    return parse_config(QuestionsConfig, values, "test")


def test_families_give_different_problems_of_the_training_split() -> None:
    config = asking(tasks=["addition", "comparing"], count=200, levels=["easy", "hard"])
    questions = make_questions(config, make_tasks, seed=3)
    assert len({question.key for question in questions}) == 200
    assert {question.example.split for question in questions} == {"train"}
    assert all(question.example.reasoning for question in questions)
    again = [read_question(json.loads(json.dumps(to_row(each)))) for each in questions]
    assert again == questions == make_questions(config, make_tasks, seed=3)


def test_what_families_cannot_give_is_refused() -> None:
    with pytest.raises(ConfigError, match="'chat': has no right and wrong answers"):
        make_questions(asking(tasks=["chat"], count=2), make_tasks, seed=0)
    with pytest.raises(ConfigError, match="2 for 1 tasks"):
        make_questions(asking(tasks=["addition"], weights=[1.0, 2.0]), make_tasks, seed=0)
    with pytest.raises(ConfigError, match="give either tasks or a file"):
        asking(tasks=["addition"], file="a.jsonl")
    with pytest.raises(ConfigError, match="give either tasks or a file"):
        asking()


def test_a_file_gives_its_rows_once_with_gold_and_trace(tmp_path: Path) -> None:
    rows = [
        {"task": "addition", "prompt": "1+1", "answer": "2"},
        {"task": "addition", "prompt": "1+1", "answer": "2", "response": "3"},
        {
            "task": "addition",
            "prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "2+2"}],
            "answer": "4",
            "gold": {"content": "4", "reasoning_content": "2 and 2"},
            "level": "hard",
            "language": "zh",
        },
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    first, second = read_questions(path)
    assert (first.key, first.example.answer, first.example.reasoning) == ("addition: 1+1", "2", "")
    assert [message.role for message in second.example.prompt] == ["system", "user"]
    assert (second.example.reasoning, second.example.level) == ("2 and 2", "hard")
    assert make_questions(asking(file=str(path)), make_tasks, seed=0) == [first, second]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object"),
        ('{"task": 1}', '"task" must be a string'),
        ('{"task": "a", "answer": null}', '"answer" must be a string'),
        ('{"task": "a", "answer": "", "prompt": " "}', '"prompt" must be a text or a list'),
        ('{"task": "a", "answer": "", "prompt": [3]}', "a message must be an object"),
        ('{"task": "a", "answer": "", "prompt": "x", "level": "odd"}', "'odd' or language"),
        ('{"task": "a", "answer": "", "prompt": "x", "gold": 3}', '"content" must be a string'),
        ('{"task": "a", "answer": "", "prompt": "x", "hint": "y"}', "unknown key 'hint'"),
    ],
)
def test_a_bad_row_is_named(row: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(f"\n{row}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"q\.jsonl:2: ") as refused:
        read_questions(path)
    assert words in str(refused.value)


def test_a_file_that_cannot_be_read_or_has_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_questions(tmp_path)
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no questions there"):
        read_questions(tmp_path / "empty.jsonl")


def test_rows_of_another_shape_are_a_damaged_file() -> None:
    with pytest.raises(ConfigError, match=r"questions\.jsonl: damaged"):
        read_rows([{"key": "a"}], read_question, "questions.jsonl")


@pytest.mark.parametrize("recipe", ["distill/naga-mini.toml", "thinking/distill.toml"])
def test_recipes_are_valid(recipe: str) -> None:
    config = load_config(DistillConfig, RECIPES / recipe)
    make_tasks(config.questions.tasks)

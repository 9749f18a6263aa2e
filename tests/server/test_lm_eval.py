"""lm-eval against our server on loopback, with tasks and data from local files (YAML and JSONL)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

lm_eval = pytest.importorskip("lm_eval", reason="needs the extra: pip install 'naga-lm[interop]'")
pytest.importorskip("tenacity", reason="needs lm-eval[api]: pip install 'lm-eval[api]'")

from lm_eval.tasks import TaskManager  # noqa: E402

# lm-eval and what it imports warn of themselves.
pytestmark = pytest.mark.filterwarnings("ignore")

TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
doc_to_text: "{{{{question}}}}"
output_type: {kind}
{rest}
"""
WRITE = """doc_to_target: "{{choices[0]}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 6, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
CHOOSE = """doc_to_choice: "{{choices}}"
doc_to_target: "{{gold}}"
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskManager]:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = [{"question": f"{n} and {n} is", "choices": [" two", " x"], "gold": 0} for n in range(4)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name, kind, rest in (
        ("write", "generate_until", WRITE),
        ("choose", "multiple_choice", CHOOSE),
    ):
        text = TASK.format(name=name, kind=kind, data=data, rest=rest)
        (folder / f"{name}.yaml").write_text(text)
    yield TaskManager(include_path=str(folder), include_defaults=False)


def run(
    model: str, arguments: dict[str, object], tasks: TaskManager, names: list[str], **more: object
) -> dict[str, dict[str, float]]:
    results = lm_eval.simple_evaluate(
        model=model,
        model_args={"max_retries": 1, "num_concurrent": 2, **arguments},
        tasks=names,
        task_manager=tasks,
        bootstrap_iters=0,
        **more,
    )
    assert results is not None
    assert all(count["effective"] == 4 for count in results["n-samples"].values())
    found: dict[str, dict[str, float]] = results["results"]
    return found


def test_completions_generate_and_choose(served: Any, checkpoint: Path, tasks: TaskManager) -> None:
    arguments = {
        "model": "tiny",
        "base_url": f"{served.url}/v1/completions",
        "tokenizer": str(checkpoint),
        "tokenizer_backend": "huggingface",
        "max_length": 512,
    }
    found = run("local-completions", arguments, tasks, ["write", "choose"])
    assert 0 <= found["write"]["exact_match,none"] <= 1
    assert 0 <= found["choose"]["acc,none"] <= 1


def test_chat_completions_generate(served: Any, tasks: TaskManager) -> None:
    arguments = {"model": "tiny", "base_url": f"{served.url}/v1/chat/completions"}
    found = run("local-chat-completions", arguments, tasks, ["write"], apply_chat_template=True)
    assert 0 <= found["write"]["exact_match,none"] <= 1

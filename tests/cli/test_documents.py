"""`naga read` and `naga ask`, end to end with naga-mini: read once, ask often."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli.running import NAGA_MINI, Run, refused
from data.make_documents import make_pdf

from naga.checkpoint.config import read_model_config
from naga.model.account import account

LEASE = (
    "The Supplier shall deliver the goods within thirty days. The Buyer shall pay each invoice "
    "within ten days. Either party may terminate this Agreement by written notice. The courts of "
    "Paris have exclusive jurisdiction over all disputes."
)
QUESTION = 'Quote the sentence that says "pay each invoice".'
ANSWER = "The Buyer shall pay each invoice within ten days."


@pytest.fixture
def state(naga: Run, tmp_path: Path) -> Path:
    (tmp_path / "contract.txt").write_text(LEASE)
    path = tmp_path / "contract.state"
    result = naga("read", tmp_path / "contract.txt", "--model", NAGA_MINI, "--out", path, "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    (tmp_path / "contract.txt").unlink()
    costs = account(read_model_config(NAGA_MINI))
    expected = costs.state_bytes + found["tokens"] * costs.kv_bytes_per_token
    assert found["state_bytes"] == found["account_bytes"] == expected
    assert found["disk_bytes"] == sum(file.stat().st_size for file in path.iterdir())
    return path


def ask(naga: Run, state: Path, *more: str) -> dict[str, Any]:
    result = naga("ask", state, QUESTION, "--model", NAGA_MINI, "--json", *more)
    assert result.code == 0, result.err
    return json.loads(result.out) | {"err": result.err}


def test_an_answer_comes_from_the_state_with_its_place(naga: Run, state: Path) -> None:
    found = ask(naga, state)
    assert found["text"] == ANSWER and found["refused"] is None and found["err"] == ""
    start = LEASE.index(ANSWER)
    assert found["quotes"] == [
        {
            "text": ANSWER,
            "found": True,
            "document": "contract.txt",
            "page": 1,
            "start": start,
            "end": start + len(ANSWER),
            "exact": True,
        }
    ]
    assert 0.6 * found["prompt_tokens"] < found["cached_tokens"] < found["prompt_tokens"]
    assert found["ttft_s"] > 0
    assert ask(naga, state)["text"] == ANSWER


def test_a_refused_state_is_told_and_its_text_read_again(naga: Run, state: Path) -> None:
    cached = ask(naga, state)
    file = state / "states.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    again = ask(naga, state)
    assert again["cached_tokens"] == 0 and "states.safetensors is damaged" in again["refused"]
    assert again["err"].count("\n") == 1 and again["refused"] in again["err"]
    assert (again["text"], again["quotes"]) == (cached["text"], cached["quotes"])


def test_a_state_of_other_numerics_is_told_and_its_text_read_again(naga: Run, state: Path) -> None:
    found = ask(naga, state, "--dtype", "float32")
    assert found["cached_tokens"] == 0 and "other numerics" in found["refused"]


@pytest.mark.parametrize("damage", ["lost", "cut", "absent"])
def test_without_its_text_it_must_be_read_again(naga: Run, state: Path, damage: str) -> None:
    documents = state / "documents.json"
    if damage == "cut":
        documents.write_bytes(documents.read_bytes()[:-9])
    elif damage == "lost":
        documents.unlink()
    else:
        shutil.rmtree(state)
    result = naga("ask", state, QUESTION, "--model", NAGA_MINI)
    message = refused(result)
    assert message.startswith(f"{state}: ") and "run naga read again" in message


def test_people_see_answer_place_and_cache(naga: Run, state: Path) -> None:
    result = naga("ask", state, QUESTION, "--model", NAGA_MINI)
    start = LEASE.index(ANSWER)
    place = f"— contract.txt, page 页 1, characters 字符 {start}–{start + len(ANSWER)}"
    assert result.out == f"{ANSWER}\n  {place}\n"
    assert "cached 已缓存" in result.err and "first token 首词元" in result.err


def test_a_pdf_is_read_and_its_pages_are_told(naga: Run, tmp_path: Path) -> None:
    first, second = LEASE.split(". ", 2)[:2]
    pdf, state = tmp_path / "contract.pdf", tmp_path / "pdf.state"
    pdf.write_bytes(make_pdf([[f"{first}."], [f"{second}."]]))
    assert naga("read", pdf, "--model", NAGA_MINI, "--out", state).code == 0
    pdf.unlink()
    found = ask(naga, state)
    (quote,) = found["quotes"]
    assert found["text"] == quote["text"] == ANSWER and quote["page"] == 2
    assert found["cached_tokens"] > 0


def test_what_stands_in_the_way_is_told_before_reading(naga: Run, tmp_path: Path) -> None:
    (tmp_path / "contract.txt").write_text(LEASE)
    read = ("read", tmp_path / "contract.txt", "--model", NAGA_MINI, "--out")
    assert "something else of this name" in refused(naga(*read, tmp_path / "contract.txt"))
    assert "no such folder" in refused(naga(*read, tmp_path / "none" / "X.state"))
    (tmp_path / "contract.txt").write_text(LEASE * 80)
    assert "tokens" in refused(naga(*read, tmp_path / "X.state"))
    assert not (tmp_path / "X.state").exists()

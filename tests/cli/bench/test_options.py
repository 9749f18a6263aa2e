"""How the words of `naga bench` are read, and what is refused before anything is measured."""

import sys

import pytest
import torch
from cli.running import NAGA_MINI, Run, refused

from naga.cli.bench.options import (
    known_precisions,
    split_list,
    thread_count,
    typed_command,
    whole_numbers,
)


def test_lists_are_split_at_commas_and_blanks_are_dropped() -> None:
    assert split_list(" vllm, transformers,,") == ["vllm", "transformers"]
    assert whole_numbers("--batch", "1, 8") == [1, 8]
    assert known_precisions("int8,f32") == ["int8", "f32"]


def test_threads_are_those_asked_for_or_torchs() -> None:
    assert thread_count(3) == 3
    assert thread_count(None) == torch.get_num_threads()


def test_the_command_is_written_so_that_a_shell_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/naga", "bench", "ops", "--model", "a b"])
    assert typed_command() == "naga bench ops --model 'a b'"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "decode --context 0,many",
            "--context '0,many': write whole numbers, separated by commas",
        ),
        ("prefill --batch -1", "--batch '-1': write whole numbers, separated by commas"),
        ("ops --batch ,", "--batch ',': write whole numbers, separated by commas"),
        ("overhead --precisions int3", "--precisions 'int3': use some of "),
        ("ops --precisions ,", "--precisions ',': use some of "),
    ],
)
def test_a_list_of_something_else_is_refused(naga: Run, words: str, message: str) -> None:
    verb, *rest = words.split()
    assert refused(naga("bench", verb, "--model", NAGA_MINI, *rest)).startswith(message)

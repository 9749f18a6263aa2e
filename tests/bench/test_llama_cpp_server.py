"""llama-cpp-python's server as the hand-off runs it, on a package that stands for the real one."""

import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from naga.bench.handoff import SERVER


class Library(ModuleType):
    """llama.cpp's defaults for a file that names no token of either kind."""

    llama_vocab_bos: Callable[[object], int] = staticmethod(lambda vocabulary: 11)
    llama_vocab_is_eog: Callable[[object, int], bool] = staticmethod(lambda vocabulary, token: True)


class HubTokenizer:
    @classmethod
    def from_pretrained(cls, name: str) -> Any:
        raise AssertionError("asks the hub")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Library, type[HubTokenizer]]]:
    """The script has run; what it left."""
    library, tokenizers = Library("llama_cpp.llama_cpp"), ModuleType("llama_cpp.llama_tokenizer")
    served = list[str]()
    vars(tokenizers).update(BaseLlamaTokenizer=object, LlamaHFTokenizer=HubTokenizer)
    package, main = ModuleType("llama_cpp"), ModuleType("llama_cpp.server.__main__")
    vars(package).update(llama_cpp=library, llama_tokenizer=tokenizers)
    vars(main).update(main=lambda: served.append("here"))
    monkeypatch.setitem(sys.modules, "llama_cpp", package)
    monkeypatch.setitem(sys.modules, "llama_cpp.server", ModuleType("llama_cpp.server"))
    monkeypatch.setitem(sys.modules, "llama_cpp.server.__main__", main)
    runpy.run_path(str(Path(SERVER)), run_name="__main__")
    assert served == ["here"]
    yield library, HubTokenizer


def test_no_token_begins_or_ends_an_answer(served: tuple[Library, type[HubTokenizer]]) -> None:
    """The real server leaves the token that begins a text out of an answer's log-probabilities."""
    library, _ = served
    assert library.llama_vocab_bos(None) == -1
    assert not any(library.llama_vocab_is_eog(None, token) for token in range(20))


def test_texts_are_token_ids(served: tuple[Library, type[HubTokenizer]]) -> None:
    _, tokenizers = served
    tokenizer = tokenizers.from_pretrained("ids")
    assert tokenizer.tokenize(b" 17 4  256") == [17, 4, 256]
    assert tokenizer.detokenize([11, 4]) == b"11 4 "
    assert tokenizer.tokenize(tokenizer.detokenize([11, 4])) == [11, 4]

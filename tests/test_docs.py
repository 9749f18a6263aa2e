"""What the documents name exists, what they tell to run parses, and the recipes load.

Commands are read from fenced `sh` blocks (wholly parsed) and from inline code (verb and flags).
Runs nothing that it reads.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from naga.cli import app
from naga.cli.configs import kind_of
from naga.config.load import load_config
from naga.config.model import ModelConfig
from naga.server.protocol import ChatRequest, parse_request

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("naga/assets/**/*.md")),
]
RECIPES = sorted(ROOT.glob("recipes/**/*.toml"))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# A path from the root of the repository, wherever it stands; NAME in one is a placeholder.
PATH = re.compile(r"(?<![\w/.:-])(?:naga|tests|docs|recipes|\.ci)/[\w./*-]+")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(document: Path, *languages: str) -> list[str]:
    found = FENCE.findall(document.read_text(encoding="utf-8"))
    return [text for language, text in found if language in languages]


def commands(document: Path) -> Iterator[list[str]]:
    """Each command of the fenced blocks as its words, without what it reads from or writes to."""
    for block in blocks(document, "sh", "bash"):
        text = re.sub(r"(?m)(^|\s)#.*$", "", block.replace("\\\n", " "))
        # A line's end separates commands, unless it stands in quotes.
        lexer = shlex.shlex(text, posix=True, punctuation_chars="|;&<>\n")
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
        yield from split_commands(lexer)


def split_commands(words: Iterator[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for word in words:
        if word in ("<", ">", ">>"):
            next(words)
        elif set(word) <= set("|;&\n"):
            if command:
                yield command
            command = []
        else:
            command.append(word.removeprefix(".venv/bin/"))
    if command:
        yield command


def spans(document: Path) -> list[str]:
    """Inline code."""
    return INLINE.findall(FENCE.sub("", document.read_text(encoding="utf-8")))


def find_verb(words: list[str]) -> tuple[Any, list[str]]:
    """The command that `naga WORDS` means and the words left for it."""
    verb: Any = typer.main.get_command(app)
    while words and isinstance(verb, typer.core.TyperGroup) and not words[0].startswith("-"):
        assert words[0] in verb.commands, f"naga has no verb {words[0]!r}"
        verb, words = verb.commands[words[0]], words[1:]
    return verb, words


def flags_of(verb: Any) -> set[str]:
    return {flag for item in verb.params for flag in (*item.opts, *item.secondary_opts)} | {
        "--help"
    }


NAGA_COMMANDS = [
    pytest.param(words[1:], id=f"{name_of(document)}: {' '.join(words)[:60]}")
    for document in DOCUMENTS
    for words in commands(document)
    if words[0] == "naga"
]
NAGA_SPANS = [
    pytest.param(shlex.split(span)[1:], id=f"{name_of(document)}: {span[:60]}")
    for document in DOCUMENTS
    for span in spans(document)
    if span.startswith("naga ")
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    relative = [link.partition("#")[0] for link in links if "://" not in link]
    assert [link for link in relative if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_paths_exist(document: Path) -> None:
    found = (path.rstrip("./") for path in PATH.findall(document.read_text(encoding="utf-8")))
    named = {path for path in found if "NAME" not in path}
    assert [path for path in sorted(named) if not any(ROOT.glob(path))] == []


@pytest.mark.parametrize("words", NAGA_COMMANDS)
def test_commands_parse(words: list[str]) -> None:
    verb, rest = find_verb(words)
    if rest == ["--help"]:
        return
    verb.make_context("naga", rest)


@pytest.mark.parametrize(
    "words",
    [item for item in NAGA_COMMANDS if item.values[0][0] in ("pretrain", "sft", "rl", "config")],
)
def test_overrides_shown_are_keys_of_their_recipe(words: list[str]) -> None:
    recipe, *overrides = find_verb(words)[1]
    load_config(kind_of(ROOT / recipe, overrides), ROOT / recipe, overrides)


@pytest.mark.parametrize("words", NAGA_SPANS)
def test_verbs_and_flags_in_text_exist(words: list[str]) -> None:
    verb, rest = find_verb(words)
    named = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert named <= flags_of(verb)


def test_the_documents_show_commands() -> None:
    verbs = {words.values[0][0] for words in NAGA_COMMANDS}
    assert {"serve", "generate", "chat", "pretrain", "sft", "eval", "inspect"} <= verbs


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_make_targets_exist(document: Path) -> None:
    rules = re.findall(
        r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    shown = [words for words in commands(document) if words[0] == "make"]
    shown += [span.split() for span in spans(document) if span.startswith("make ")]
    targets = {word for words in shown for word in words[1:] if "=" not in word}
    assert targets <= set(rules)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_python_compiles(document: Path) -> None:
    for block in blocks(document, "python"):
        compile(block, str(document), "exec")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_requests_shown_are_taken_by_the_server(document: Path) -> None:
    for words in commands(document):
        if words[0] == "curl" and "-d" in words:
            body = words[words.index("-d") + 1]
            assert parse_request(body.encode(), ChatRequest).messages


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    assert list(commands(english)) == list(commands(chinese))
    assert blocks(english, "python") == blocks(chinese, "python")


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_recipes_load(recipe: Path) -> None:
    kind = kind_of(recipe, [])
    assert (kind is ModelConfig) == (recipe.parent.name in ("models", "small", "handoff"))
    load_config(kind, recipe)


def requirements() -> set[str]:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = package["project"]["optional-dependencies"].values()
    listed = package["project"]["dependencies"] + [item for extra in extras for item in extra]
    listed += package["build-system"]["requires"]
    return {re.split(r"[^\w.-]", item)[0].lower() for item in listed}


def test_every_dependency_is_explained() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)) == requirements()


def test_every_dependency_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert requirements() <= {line.partition("==")[0].lower() for line in lines}

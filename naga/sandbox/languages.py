"""The table of languages: the file a source becomes, how it is compiled, how it is run.

Python has no command: it runs in a process forked from the one that waits in the sandbox. To add a
language, add a row; it is offered where its tools are, under the folders that the sandbox shows.
Does not run anything.
"""

from dataclasses import dataclass
from pathlib import Path

from naga.config.base import ConfigError


@dataclass(frozen=True, kw_only=True)
class Language:
    file: str
    compile: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    address_space: bool = True
    """Its programs can live in the limit on memory as a limit on addresses; V8 and Go cannot."""

    @property
    def tools(self) -> tuple[str, ...]:
        """Programs of the machine that it needs."""
        commands = (self.compile, self.run)
        return tuple(command[0] for command in commands if command and command[0] != "./main")


LANGUAGES = {
    "python": Language(file="main.py"),
    "c": Language(
        file="main.c",
        compile=("/usr/bin/gcc", "-O2", "-std=c17", "-o", "main", "main.c", "-lm"),
        run=("./main",),
    ),
    "c++": Language(
        file="main.cpp",
        compile=("/usr/bin/g++", "-O2", "-std=c++17", "-o", "main", "main.cpp"),
        run=("./main",),
    ),
    "bash": Language(file="main.sh", run=("/usr/bin/bash", "main.sh")),
    "javascript": Language(file="main.js", run=("/usr/bin/node", "main.js"), address_space=False),
    "perl": Language(file="main.pl", run=("/usr/bin/perl", "main.pl")),
    "ruby": Language(file="main.rb", run=("/usr/bin/ruby", "main.rb"), address_space=False),
    "lua": Language(file="main.lua", run=("/usr/bin/lua", "main.lua")),
}
NAMES = {"py": "python", "python3": "python", "cpp": "c++", "cc": "c++", "cxx": "c++", "sh": "bash"}
NAMES |= {"js": "javascript", "pl": "perl", "rb": "ruby"}


def language_of(name: str) -> tuple[str, Language]:
    """By its name or the ending of its files; ConfigError if unknown or without its tools here."""
    known = NAMES.get(name.lower(), name.lower())
    language = LANGUAGES.get(known)
    if language is None:
        raise ConfigError(f"sandbox: no language {name!r}; there are {', '.join(LANGUAGES)}")
    missing = [tool for tool in language.tools if not Path(tool).exists()]
    if missing:
        raise ConfigError(f"sandbox: {known} needs {', '.join(missing)}, which is not installed")
    return known, language

"""A program in a file, run or tested: what `naga reward run-code` does. Prints nothing."""

from pathlib import Path

from naga.config.base import ConfigError
from naga.sandbox.cases import parse_tests
from naga.sandbox.languages import language_of
from naga.sandbox.sandbox import Sandbox
from naga.sandbox.types import Program, RunResult, TestReport


def run_file(sandbox: Sandbox, file: Path, tests: str | None = None) -> RunResult | TestReport:
    """The language is that of the file's ending; `tests` is a JSON list, or the path of one.

    ConfigError for a file that cannot be read, a language that is not there, tests that are none.
    """
    if not file.suffix:
        raise ConfigError(f"{file}: its ending must tell its language, such as .py or .cpp")
    name, _ = language_of(file.suffix.removeprefix("."))
    source = _text(file)
    if tests is None:
        return sandbox.run(Program(source=source, language=name))
    written = tests if tests.lstrip().startswith("[") else _text(Path(tests))
    return sandbox.run_tests(source, name, parse_tests(written))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not a text in UTF-8") from None

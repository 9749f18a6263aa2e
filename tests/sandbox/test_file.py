"""A file as `naga reward run-code` takes it."""

from pathlib import Path

import pytest
from sandbox.conftest import needs

from naga.config.base import ConfigError
from naga.sandbox import Sandbox, TestReport, as_json, run_file


def test_a_file_is_run(strongest: Sandbox, tmp_path: Path) -> None:
    needs("bash")
    for name, source in {"hello.py": "print('hi')", "hello.sh": "echo hi"}.items():
        (tmp_path / name).write_text(source)
        printed = as_json(run_file(strongest, tmp_path / name))
        assert (printed["stdout"], printed["status"], printed["total"]) == ("hi\n", "ok", 0)


def test_a_file_is_tested_by_a_list_or_by_a_file_of_one(strongest: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "add.py").write_text("def add(a, b):\n    return a + b\n")
    written = '[{"call": "add", "args": [1, 2], "expected": 3}]'
    (tmp_path / "tests.json").write_text(written)
    for tests in (written, str(tmp_path / "tests.json")):
        report = run_file(strongest, tmp_path / "add.py", tests)
        assert isinstance(report, TestReport) and (report.passed, report.total) == (1, 1)


def test_what_cannot_be_run_is_named(strongest: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    (tmp_path / "x.cob").write_text("x")
    (tmp_path / "bad.py").write_bytes(b"\xff\xfe")
    (tmp_path / "good.py").write_text("x = 1")
    for name, said in {
        "plain": "ending",
        "x.cob": "no language 'cob'",
        "bad.py": "not a text",
        "missing.py": "No such file",
    }.items():
        with pytest.raises(ConfigError, match=said):
            run_file(strongest, tmp_path / name)
    with pytest.raises(ConfigError, match="No such file"):
        run_file(strongest, tmp_path / "good.py", str(tmp_path / "missing.json"))

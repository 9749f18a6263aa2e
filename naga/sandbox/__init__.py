"""Untrusted programs, run where they can do no harm. See sandbox.py and docs/sandbox.md."""

from naga.sandbox.cases import CallTest, CheckTest, ProgramTest, Test, parse_tests
from naga.sandbox.file import run_file
from naga.sandbox.languages import LANGUAGES, language_of
from naga.sandbox.sandbox import Sandbox
from naga.sandbox.types import (
    TIERS,
    Limits,
    Outcome,
    Program,
    RunResult,
    Status,
    TestReport,
    Tier,
    as_json,
)

__all__ = [
    "LANGUAGES",
    "TIERS",
    "CallTest",
    "CheckTest",
    "Limits",
    "Outcome",
    "Program",
    "ProgramTest",
    "RunResult",
    "Sandbox",
    "Status",
    "Test",
    "TestReport",
    "Tier",
    "as_json",
    "language_of",
    "parse_tests",
    "run_file",
]

"""Small programs: to write, judged by hidden tests in a sandbox, and to trace by hand."""

from naga.tasks.code.testing import FunctionTest, ProgramTest, Report, RunsTests
from naga.tasks.code.tracing import ProgramTracing
from naga.tasks.code.writing import ProgramWriting

__all__ = [
    "FunctionTest",
    "ProgramTest",
    "ProgramTracing",
    "ProgramWriting",
    "Report",
    "RunsTests",
]

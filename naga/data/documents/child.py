"""The process that parses one document: python -m naga.data.documents.child MEDIA_TYPE.

Bytes on standard input; on standard output one JSON object, {"pages": [...]} or {"refused": "..."}.
Any other end (an exception, a signal, a limit) means a file that cannot be read. See apart.py.
"""

import json
import resource
import sys
from collections.abc import Callable

from naga.data.documents.docx import read_docx
from naga.data.documents.epub import read_epub
from naga.data.documents.limits import MEMORY_BYTES, PROCESSOR_SECONDS, Refused
from naga.data.documents.markup import read_html
from naga.data.documents.pdf import read_pdf

PARSERS: dict[str, Callable[[bytes], list[str]]] = {
    "text/html": read_html,
    "application/pdf": read_pdf,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": read_docx,
    "application/epub+zip": read_epub,
}


def main() -> None:
    _limit(resource.RLIMIT_CPU, PROCESSOR_SECONDS)
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":  # macOS has the limit's name, and refuses to set it
        _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    answer: dict[str, str | list[str]]
    try:
        answer = {"pages": PARSERS[sys.argv[1]](sys.stdin.buffer.read())}
    except Refused as reason:
        answer = {"refused": str(reason)}
    json.dump(answer, sys.stdout)


def _limit(kind: int, limit: int) -> None:
    """As asked, or as whoever started naga already allows less."""
    _, hard = resource.getrlimit(kind)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, hard))


if __name__ == "__main__":
    main()

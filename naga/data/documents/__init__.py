"""Documents for long-document questions: a file -> text with pages, a quote -> its place.

    document = read_document(Path("lease.pdf"))
    place = locate(document, "two months' notice")   # page, start, end; None if not there

Text, Markdown, HTML, PDF, DOCX and EPUB. Whatever needs more than decoding is parsed in a process
of its own with limits of time and memory, because a document is anybody's bytes. Does not read
pictures of text (no OCR), fetch anything, or tokenize. What models train on: naga/data/corpus.py.
"""

from naga.data.documents.quotes import find_quotes, locate, locate_all, mark_quotes
from naga.data.documents.read import ENDINGS, read_document
from naga.data.documents.records import Document, Location, Page, Quoted

__all__ = [
    "ENDINGS",
    "Document",
    "Location",
    "Page",
    "Quoted",
    "find_quotes",
    "locate",
    "locate_all",
    "mark_quotes",
    "read_document",
]

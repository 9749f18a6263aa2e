"""PDF -> the text of each page, through PDFium.

Lines are those of the page. A hyphen at a line's end is kept with the break after it, whether it
belongs to the word or not. Pictures have no text; a page that is one is empty.
"""

import pypdfium2
from pypdfium2.raw import FPDF_ERR_PASSWORD

from naga.data.documents.limits import CHARACTERS, PAGES, Refused, damaged
from naga.data.documents.plain import newlines

BROKEN = damaged("a PDF", "a PDF viewer")
# PDFium's sign for a hyphen that ends a line; it stands for the break too.
LINE_END_HYPHEN = "\ufffe"


def read_pdf(data: bytes) -> list[str]:
    """Refused if it is locked, damaged, too long, or has no text on any page."""
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == FPDF_ERR_PASSWORD:
            raise Refused("locked by a password; save a copy without one") from None
        raise BROKEN from None
    num_pages = len(pdf)
    if num_pages > PAGES:
        raise Refused(f"{num_pages} pages, at most {PAGES} are read; split it")
    pages: list[str] = []
    num_characters = 0
    for index in range(num_pages):
        pages.append(_page(pdf, index))
        num_characters += len(pages[-1])
        if num_characters > CHARACTERS:
            raise Refused(f"more than {CHARACTERS} characters; split it")
    if not any(page.strip() for page in pages):
        raise Refused("no text on its pages, only pictures; run it through OCR first (ocrmypdf)")
    return pages


def _page(pdf: pypdfium2.PdfDocument, index: int) -> str:
    try:
        page = pdf[index]
        text = page.get_textpage().get_text_range()
        page.close()
    except pypdfium2.PdfiumError:
        raise Refused(
            f"page {index + 1} is damaged; open it in a PDF viewer and save it anew"
        ) from None
    return newlines(text.replace(LINE_END_HYPHEN, "-\n"))

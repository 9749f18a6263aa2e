"""Documents for tests: PDFs by reportlab, Word by python-docx, EPUB by zipfile."""

import io
import zipfile
from collections.abc import Sequence

import docx
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'


def make_pdf(pages: Sequence[Sequence[str]], password: str | None = None) -> bytes:
    """Pages of lines; lines with Chinese are set in a font that is not in the file."""
    file = io.BytesIO()
    locked = None if password is None else StandardEncryption(password, ownerPassword="owner")
    canvas = Canvas(file, invariant=1, encrypt=locked)
    for lines in pages:
        for row, line in enumerate(lines):
            canvas.setFont("Helvetica" if line.isascii() else "STSong-Light", 12)
            canvas.drawString(72, 780 - 16 * row, line)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def save_docx(document: "docx.document.Document") -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def make_docx(pages: Sequence[Sequence[str]]) -> bytes:
    document = docx.Document()
    for number, paragraphs in enumerate(pages):
        if number:
            document.add_page_break()
        for paragraph in paragraphs:
            document.add_paragraph(paragraph)
    return save_docx(document)


def make_zip(parts: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def make_epub(chapters: Sequence[str], **more: str | bytes) -> bytes:
    """Chapters are bodies; the manifest names them in reverse, the spine in order."""
    names = [f"text/chapter {number}.xhtml" for number in range(1, len(chapters) + 1)]
    items = [
        f'<item id="i{index}" href="{name.replace(" ", "%20")}"'
        ' media-type="application/xhtml+xml"/>'
        for index, name in enumerate(names)
    ]
    spine = "".join(f'<itemref idref="i{index}"/>' for index in range(len(names)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        f"<manifest>{''.join(reversed(items))}</manifest><spine>{spine}</spine></package>"
    )
    parts: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OPS/book.opf": package,
    }
    for name, body in zip(names, chapters, strict=True):
        parts[f"OPS/{name}"] = (
            '<?xml version="1.0" encoding="utf-8"?>'
            '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js"/></head>'
            f"<body>{body}</body></html>"
        )
    return make_zip(parts | more)

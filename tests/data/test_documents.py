import hashlib
from pathlib import Path

import docx
import pytest
from data.make_documents import make_docx, make_epub, make_pdf, save_docx
from docx.enum.section import WD_SECTION
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from naga.config.base import ConfigError
from naga.data.documents import Document, Page, read_document
from naga.data.documents.docx import read_docx
from naga.data.documents.epub import read_epub
from naga.data.documents.markup import html_text, read_html, xhtml_text
from naga.data.documents.pdf import read_pdf
from naga.data.documents.plain import decode


def write(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def page_texts(document: Document) -> list[str]:
    return [document.text[page.start : page.end] for page in document.pages]


# All formats


MADE = {
    "lease.pdf": (make_pdf([["The rent is due."], [], ["第一条 租金", "每月支付。"]]), 3),
    "lease.docx": (make_docx([["The rent is due."], [], ["第一条 租金", "每月支付。"]]), 3),
    "lease.epub": (
        make_epub(["<p>The rent is due.</p>", "<img/>", "<p>第一条 租金<br/>每月支付。</p>"]),
        3,
    ),
    "lease.HTML": ("<p>The rent is due.<p>第一条 租金<br>每月支付。".encode(), 1),
    "lease.md": ("The rent is due.\r\n\r\n第一条 租金\r\n每月支付。".encode(), 1),
    "lease.txt": ("The rent is due.\n\n第一条 租金\r每月支付。".encode("utf-16"), 1),
}


@pytest.mark.parametrize("name", MADE)
def test_each_format_gives_its_text_and_pages(tmp_path: Path, name: str) -> None:
    data, num_pages = MADE[name]
    document = read_document(write(tmp_path, name, data))
    pages = ["The rent is due.", "", "第一条 租金\n每月支付。"]
    if num_pages == 1:
        pages = ["The rent is due.\n\n第一条 租金\n每月支付。"]
    assert page_texts(document) == pages
    assert document.text == "\n\n".join(pages)
    assert [page.number for page in document.pages] == list(range(1, num_pages + 1))
    assert (document.name, document.sha256) == (name, hashlib.sha256(data).hexdigest())


def test_an_offset_stands_on_the_last_page_that_begins_before_it() -> None:
    pages = tuple(
        Page(number=number, start=start, end=end)
        for number, (start, end) in enumerate([(0, 3), (5, 5), (7, 9)], start=1)
    )
    document = Document(name="x", text="abc\n\n\n\nde", pages=pages, media_type="", sha256="")
    assert [document.page_at(offset) for offset in range(9)] == [1, 1, 1, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.epub", "a.html", "a.txt"])
def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: no such file"):
        read_document(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match=rf"{name}: a folder"):
        read_document(tmp_path / name)


def test_another_ending_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.doc: cannot read this kind.*\.pdf, \.docx"):
        read_document(write(tmp_path, "a.doc", b"text"))


@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.docx", "a.epub"])
def test_a_document_without_text_is_refused(tmp_path: Path, name: str) -> None:
    data = {"a.docx": make_docx([[]]), "a.epub": make_epub([""])}.get(name, b" \n")
    with pytest.raises(ConfigError, match="there is no text in it"):
        read_document(write(tmp_path, name, data))


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_an_encoding_is_detected(encoding: str) -> None:
    text = "第一条　甲方应当支付租金。It's 3 €, é 𠀀.\n"
    assert decode(text.encode(encoding)) == text


def test_big_endian_utf16_is_known_by_its_mark() -> None:
    assert decode("\ufeff租金 rent".encode("utf-16-be")) == "租金 rent"


def test_characters_are_kept_as_they_are() -> None:
    text = "e\u0301 é ﬁ Ⅳ ，, \u00a0\u3000\u200b 租金\t\x0c"
    assert decode(text.encode()) == text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("naïve café, déjà vu; a façade".encode("latin-1"), "neither UTF-8 nor GB18030"),
        (b"caf\xe9\n", "neither UTF-8 nor GB18030"),
        (b"\xff\xfea", "says it is utf-16-le"),
        (b"\xef\xbb\xbf\xff", "says it is utf-8"),
        ("no mark".encode("utf-16-le"), "NUL"),
        ("text".encode("utf-32"), "NUL"),
    ],
)
def test_bytes_that_are_no_known_text_are_refused(
    tmp_path: Path, data: bytes, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_document(write(tmp_path, "a.txt", data))
    assert str(caught.value).startswith(f"{tmp_path / 'a.txt'}: ")


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("GB2312", "gbk"), ("big5", "big5"), ("iso-8859-1", "cp1252"), ("Shift_JIS", "shift_jis")],
)
def test_html_may_declare_its_encoding(declared: str, encoding: str) -> None:
    text = "“café”" if encoding == "cp1252" else "租金"
    page = f'<meta http-equiv=Content-Type content="text/html; charset={declared}"><p>{text}'
    assert read_html(page.encode(encoding)) == [text]


def test_a_declaration_that_is_wrong_gives_way_to_utf8() -> None:
    assert read_html('<meta charset="gbk"><p>租金'.encode()) == ["租金"]


# HTML


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a  b\n c</p><p>d<br>e", "a b c\n\nd\ne"),
        ("<h1>T</h1>x<div>y</div>z", "T\n\nx\ny\nz"),
        ("<ul><li>a<li>b <b>c</b></ul>d", "a\nb c\nd"),
        ("a<b>b</b>c <i>d</i> <!-- x -->e", "abc d e"),
        ("&lt;3 &amp; &copy;&nbsp;&#31199;&#x91D1;", "<3 & ©\u00a0租金"),
        ("<pre>a\n  b</pre>c", "a\n  b\n\nc"),
        ("　甲方　乙方", "　甲方　乙方"),
        ("a<script>x</script><style>y</style><template>z</template>b", "ab"),
        ("<title>t</title><p>a<p hidden>b<p style='color:red; display : none'>c<p>d", "a\n\nd"),
        ("<table><tr><th>a<th>b<tr><td><p>1</p><p>2</p><td><tr><td><td>3</table>c",
         "a\tb\n1 2\t\n\t3\n\nc"),
        ("<table><tr><td><table><tr><td>a<td>b</table><p>c<td>d</table>", "a\tb\n\nc\n\nd"),
        ("<table><tr><td>a<tr hidden><td>b<tr><td>c</table>", "a\nc"),
        ("", ""),
        ("<!-- nothing -->", ""),
        ("no markup & none", "no markup & none"),
    ],
)  # fmt: skip
def test_html_becomes_what_a_browser_shows(markup: str, text: str) -> None:
    assert html_text(markup) == text


def test_unclosed_tags_of_old_pages_are_read_to_the_end() -> None:
    assert html_text("<font>a " * 1000 + "end").split() == ["a"] * 1000 + ["end"]


def test_xhtml_is_xml_first_and_html_if_it_is_not() -> None:
    assert xhtml_text("<html><head><title/></head><body>a&nbsp;b<a id='x'/>c</body></html>") == (
        "a\u00a0bc"
    )
    assert xhtml_text("<?xml version='1.0'?><html><body><p>a<p>b &c</body></html>") == "a\n\nb &c"


def test_a_files_own_entities_are_not_resolved(tmp_path: Path) -> None:
    secret = write(tmp_path, "secret", b"secret")
    dtd = f'<!DOCTYPE html [<!ENTITY own "own"><!ENTITY file SYSTEM "{secret.as_uri()}">]>'
    assert xhtml_text(f"{dtd}<html><p>a &own;b &file;c</p></html>") == "a b c"


def test_entities_that_multiply_are_not_expanded() -> None:
    bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "bomb"}">' for i in range(20))
    assert len(xhtml_text(f"<!DOCTYPE html [{bomb}]><html><p>a &e19;b</p></html>")) < 100


# PDF


def test_a_hyphen_at_a_lines_end_is_kept_with_its_break() -> None:
    assert read_pdf(make_pdf([["an exam-", "ple of text"]])) == ["an exam-\nple of text"]


def test_a_pdf_that_only_its_owner_may_change_is_read() -> None:
    assert read_pdf(make_pdf([["open to all"]], password="")) == ["open to all"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (make_pdf([["a"]], password="secret"), "locked by a password"),
        (make_pdf([[], []]), "only pictures; run it through OCR"),
        (make_pdf([["a"]])[:300], "damaged, or not a PDF"),
        (b"", "damaged, or not a PDF"),
    ],
    ids=["locked", "pictures", "cut short", "empty"],
)
def test_a_pdf_that_cannot_be_read_says_why(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"a\.pdf: .*{message}"):
        read_document(write(tmp_path, "a.pdf", data))


# DOCX


def body_of(*paragraphs: str) -> bytes:
    """A document with paragraphs in Word's own XML."""
    document = docx.Document()
    for inner in paragraphs:
        element = parse_xml(f"<w:p {nsdecls('w')}>{inner}</w:p>")
        document.element.body.insert(len(document.element.body) - 1, element)
    return save_docx(document)


def test_word_tables_are_rows_with_tabs() -> None:
    document = docx.Document()
    document.add_paragraph("before")
    table = document.add_table(rows=2, cols=3)
    for cell, text in zip(table._cells, ["a", "", "c", "d", "e", ""], strict=True):
        cell.text = text
    table.cell(1, 1).add_paragraph("more")
    document.add_paragraph("after")
    assert read_docx(save_docx(document)) == ["before\na\t\tc\nd\te more\t\nafter"]


def test_words_pages_end_where_the_author_ended_them() -> None:
    document = docx.Document()
    document.add_paragraph("one").add_run().add_break(docx.enum.text.WD_BREAK.PAGE)
    document.add_paragraph("two")
    document.add_paragraph("three").paragraph_format.page_break_before = True
    document.add_section(WD_SECTION.CONTINUOUS)
    document.add_paragraph("still three")
    document.add_section(WD_SECTION.NEW_PAGE)
    document.add_paragraph("four")
    assert read_docx(save_docx(document)) == ["one", "two", "three\nstill three", "four"]


def test_tracked_changes_are_read_as_accepted() -> None:
    data = body_of(
        '<w:r><w:t xml:space="preserve">rent is </w:t></w:r>'
        '<w:del w:id="1" w:author="a"><w:r><w:delText>900</w:delText></w:r></w:del>'
        '<w:ins w:id="2" w:author="a"><w:r><w:t>1,200</w:t></w:r></w:ins>'
    )
    assert read_docx(data) == ["rent is 1,200"]


def test_word_text_is_found_wherever_it_may_stand() -> None:
    data = body_of(
        "<w:sdt><w:sdtContent><w:r><w:t>control</w:t></w:r></w:sdtContent></w:sdt>"
        '<w:r><w:tab/><w:t>a</w:t><w:br/><w:t xml:space="preserve">b  c</w:t></w:r>'
        '<w:hyperlink w:anchor="x"><w:r><w:t>link</w:t></w:r></w:hyperlink>',
        '<w:pPr><w:tabs><w:tab w:val="left" w:pos="9"/></w:tabs></w:pPr><w:r><w:t>d</w:t></w:r>'
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r>",
    )
    assert read_docx(data) == ["control\ta\nb  clink\nd"]


def test_an_old_or_locked_word_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512))
    with pytest.raises(ConfigError, match=r"a\.docx: locked by a password, or Word's old \.doc"):
        read_document(path)


# EPUB


def test_a_chapter_is_a_page_in_the_order_of_the_spine() -> None:
    assert read_epub(make_epub(["<h1>One</h1><p>租金</p>", "", "<p>Three</p>"])) == [
        "One\n\n租金",
        "",
        "Three",
    ]


def test_a_book_under_drm_is_refused(tmp_path: Path) -> None:
    encryption = (
        '<encryption><x><CipherReference URI="OPS/text/chapter%201.xhtml"/></x></encryption>'
    )
    locked = make_epub(["<p>a</p>"], **{"META-INF/encryption.xml": encryption})
    with pytest.raises(ConfigError, match=r"a\.epub: protected by DRM"):
        read_document(write(tmp_path, "a.epub", locked))
    fonts = encryption.replace("text/chapter%201.xhtml", "a.otf")
    assert read_epub(make_epub(["<p>a</p>"], **{"META-INF/encryption.xml": fonts})) == ["a"]

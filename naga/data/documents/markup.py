"""HTML and XHTML -> text as a browser shows it: no head, no scripts, nothing hidden.

Hidden is what the markup itself says (`hidden`, `display: none` in a style attribute); style
sheets are not applied. Numbers and bullets that a browser makes for lists are no text. A table
that holds a table is layout: its cells are blocks. Fetches nothing, resolves no entity of a DTD.
"""

import html.entities
import re
from typing import Any

from lxml import etree

from naga.data.documents.flow import Flow
from naga.data.documents.limits import Refused
from naga.data.documents.plain import decode

LEFT_OUT = {"head", "title", "meta", "link", "base", "script", "style", "template", "noscript"}
LEFT_OUT |= {"iframe", "svg", "audio", "video", "canvas"}
PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "blockquote", "pre", "figure", "hr"}
LINES = {"html", "body", "div", "section", "article", "main", "header", "footer", "nav", "aside"}
LINES |= {"address", "center", "form", "fieldset", "legend", "details", "summary", "dialog"}
LINES |= {"ul", "ol", "menu", "li", "dl", "dt", "dd", "figcaption", "caption", "tr", "option"}
CELLS = ("td", "th")
HIDING_STYLE = re.compile(r"(?i)(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)")
DECLARED = re.compile(rb"""(?i)(?:charset|encoding)\s*=\s*["']?\s*([\w-]+)""")
XML_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
ENTITY = re.compile(r"&(\w+);")
XML_ENTITIES = ("amp", "lt", "gt", "quot", "apos")


def read_html(data: bytes) -> list[str]:
    """One page; Refused if the markup is nested deeper than the parser follows."""
    return [html_text(decode_markup(data))]


def decode_markup(data: bytes) -> str:
    """The declared encoding counts in the file's first 1024 bytes, where HTML wants it."""
    declared = DECLARED.search(data[:1024])
    return decode(data, declared[1].decode("ascii", "replace") if declared else None)


def html_text(markup: str) -> str:
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True)
    root = etree.fromstring(_encode(markup), parser)
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise Refused("nested too deep, or one piece is too long; save it as plain text")
    return "" if root is None else _shown(root)


def xhtml_text(markup: str) -> str:
    """Of markup that should be XML, read as HTML where it is not well-formed."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(_encode(ENTITY.sub(_named, markup)), parser)
    except etree.XMLSyntaxError:
        return html_text(XML_DECLARATION.sub("", markup, count=1))
    return _shown(root)


def _encode(markup: str) -> bytes:
    """UTF-8, which the parser must not doubt: an XML declaration is of the file, not of this."""
    return XML_DECLARATION.sub("", markup, count=1).encode("utf-8", "replace")


def _named(entity: re.Match[str]) -> str:
    """HTML's named characters, which XML alone does not know."""
    name = entity[1]
    return entity[0] if name in XML_ENTITIES else html.entities.html5.get(f"{name};", entity[0])


def _name(node: Any) -> str:
    """An element's name without its namespace, in small letters; "" for what is no element."""
    return node.tag.rpartition("}")[2].lower() if isinstance(node.tag, str) else ""


def _shown(root: Any) -> str:
    flow = Flow()
    layout = _layout_tables(root)
    tables: list[Any] = []
    num_pre = 0
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, node in walk:
        name = _name(node)
        is_shown = name != "" and not _is_hidden(node, name)
        if event == "start":
            if not is_shown:
                walk.skip_subtree()
                continue
            if name == "table":
                tables.append(node)
            num_pre += name == "pre"
            _open(flow, name, bool(tables) and tables[-1] not in layout)
            _put(flow, node.text, num_pre)
            continue
        if is_shown:
            _close(flow, name, bool(tables) and tables[-1] not in layout)
            if name == "table":
                tables.pop()
            num_pre -= name == "pre"
        if node is not root:
            _put(flow, node.tail, num_pre)
    return flow.text()


def _layout_tables(root: Any) -> set[Any]:
    layout = set()
    stack: list[Any] = []
    for event, table in etree.iterwalk(root, events=("start", "end"), tag="{*}table"):
        if event == "end":
            stack.pop()
            continue
        if stack:
            layout.add(stack[-1])
        stack.append(table)
    return layout


def _is_hidden(node: Any, name: str) -> bool:
    return (
        name in LEFT_OUT
        or node.get("hidden") is not None
        or HIDING_STYLE.search(node.get("style") or "") is not None
    )


def _open(flow: Flow, name: str, in_data_table: bool) -> None:
    if name == "br":
        flow.forced_break()
    elif name == "tr" and in_data_table:
        flow.open_row()
    elif name in CELLS:
        flow.cell()
    else:
        _block(flow, name)


def _close(flow: Flow, name: str, in_data_table: bool) -> None:
    if name == "tr" and in_data_table:
        flow.close_row()
    elif name in CELLS:
        flow.words(" ")
    else:
        _block(flow, name)


def _block(flow: Flow, name: str) -> None:
    if name in PARAGRAPHS:
        flow.paragraph()
    elif name in LINES:
        flow.line()


def _put(flow: Flow, text: str | None, num_pre: int) -> None:
    if text and num_pre:
        flow.verbatim(text)
    elif text:
        flow.words(text)

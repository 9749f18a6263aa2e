"""One spelling for what is written in many: Unicode forms, LaTeX dressing, separators, quotes.

`normalise` keeps the meaning of a formula and the words of a text, and applied twice it changes
nothing more. `compact` goes on to the key by which expressions are compared letter by letter, and
`words` to the one for texts. Evaluates nothing; numbers are read by numeric.py.
"""

import re
import unicodedata

MAX_INPUT = 2000
"""Characters that are looked at; what is longer is no answer, and is cut before any work."""

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
VULGAR = re.compile("(\\d?)([¼½¾⅐-⅞↉])")
CHARACTERS = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "⁄": "/",
        "∕": "/",
        "÷": "/",
        "∶": ":",
        "×": r"\times ",
        "·": r"\cdot ",
        "⋅": r"\cdot ",
        "∙": r"\cdot ",
        "π": r"\pi ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
        "±": r"\pm ",
        "°": r"^\circ ",
        "∘": r"\circ ",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "「": '"',
        "」": '"',
        "‘": "'",
        "’": "'",
        "。": ".",
        "、": ",",
        "`": "'",
        "\u200b": "",
        "\u200c": "",
        "\u200d": "",
        "\u2060": "",
        "\ufeff": "",
        "\u00ad": "",
    }
)
REPLACEMENTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"√\s*(\d+|[A-Za-z])", r"\\sqrt{\1}"),
        (r"√\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<!\\)\\[()\[\]$]|\$|\*\*(?=\D|$)|(?<!\d)\*\*", ""),
        (r"\{,\}|(?<!\\),\\!\s*", ","),
        (r"(?<=\d)\\,(?=\d{3})", ""),
        (
            r"(?<!\\)\\!|\\displaystyle\b|\\limits\b|\\(?:left|right|[bB]igg?[lrm]?)(?![A-Za-z])\.?",
            "",
        ),
        (r"(?<!\\)\\[,;: >]|~|\\q?quad\b|\\(?:hspace|vspace|phantom)\{[^{}]*\}", " "),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (
            r"\\(?:text|textbf|textit|textrm|textsf|texttt|emph|mathrm|mathbf|mathit|mathsf|mbox"
            r"|hbox|bm|boldsymbol|underline)\s*\{([^{}]*)\}",
            r"\1",
        ),
        (r"\^\s*\{\s*\\circ\s*\}|\\degree\b", r"^\\circ"),
        (r"(?<!\\)\\%", "%"),
        (r"(\\(?:begin|end)\{)[bB]matrix\}", r"\1pmatrix}"),
        (r"\\leq(?:slant)?(?![A-Za-z])", r"\\le"),
        (r"\\geq(?:slant)?(?![A-Za-z])", r"\\ge"),
        (r"\\neq(?![A-Za-z])", r"\\ne"),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\infin(?![A-Za-z])", r"\\infty"),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"!=(?!=)", r"\\ne "),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"(\\frac\s*\{[^{}]*\})\s*(\d)", r"\1{\2}"),
        (r"\\sqrt\s*(\d|[A-Za-z](?![A-Za-z]))", r"\\sqrt{\1}"),
        (r"([\^_])\s*\{\s*(\w)\s*\}", r"\1\2"),
        (r"\s+", " "),
    )
)
THOUSANDS = re.compile(r"(?<![\d.,])([1-9]\d{0,2}(?:,\d{3})+)(?![\d]|,\d)")
EDGES = " \t\n\"'.,;:"


def normalise(text: str) -> str:
    """Repeats one pass until nothing changes, so that it is idempotent; bounded by MAX_INPUT."""
    text = text[:MAX_INPUT]
    while (after := _pass(text)) != text:
        text = after[:MAX_INPUT]
    return text


def _pass(text: str) -> str:
    text = SUPERSCRIPT_RUN.sub(lambda run: f"^{{{run[0].translate(SUPERSCRIPTS)}}}", text)
    text = VULGAR.sub(lambda found: f"{found[1]} {found[2]}" if found[1] else found[2], text)
    text = unicodedata.normalize("NFKC", text).translate(CHARACTERS)
    for pattern, replacement in REPLACEMENTS:
        text = pattern.sub(replacement, text)
    if not re.search(r"[(\[]|\\\{", text):  # there a comma is more likely one between items
        text = THOUSANDS.sub(lambda found: found[1].replace(",", ""), text)
    return _trimmed(text)


def _trimmed(text: str) -> str:
    """Without punctuation and quotes around it, but for the point of .5 and the quote of f'."""
    left = text.lstrip(EDGES)
    if text.endswith(left) and left[:1].isdigit() and text[: len(text) - len(left)].endswith("."):
        left = "." + left
    return left.rstrip('\n\t ".,;:') if not left.endswith("'") or "'" in left[:-1] else left


def compact(text: str) -> str:
    """Normalised, without spaces, products in one spelling: a key for comparing expressions."""
    text = re.sub(r"\\times(?![A-Za-z])|\\ast(?![A-Za-z])|\*", r"\\cdot", normalise(text))
    return re.sub(r"\s+", "", re.sub(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])", r"\1~", text))


def words(text: str) -> str:
    """Normalised, in lower case, without articles and punctuation: a key for comparing texts."""
    text = re.sub(r"[^\w%+\-/=<>^\\]+", " ", normalise(text).casefold())
    return " ".join(word for word in text.split() if word not in ("a", "an", "the"))

"""Cut plain text into sentences that can be quoted, and into runs of consecutive ones.

Whitespace inside a sentence becomes one space; a blank line always ends a sentence. Full stops of
abbreviations ("Inc.", "No. 5", "U.S."), initials, section numbers and enumerators do not end one;
an abbreviation that can close a sentence does so before a typical first word ("Acme Inc. The ...").
Works for English and Chinese. Does not repair text: what is too long, unfinished or not printable
is left out and ends the run; headings of a few words are left out silently.
"""

import re
from collections.abc import Iterator

WORDS = range(4, 46)
CHINESE_CHARACTERS = range(7, 121)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEVER_LAST = _words(
    "mr mrs ms dr prof st messrs hon rev gen sen rep no nos vs v e.g i.e cf fig figs sec secs sect "
    "art arts para paras cl ch chap vol pp p ex exh approx viz rs rule reg nr tel ext attn"
)
MAYBE_LAST = _words(
    "inc corp co ltd llc l.l.c plc l.p lp n.a s.a n.v b.v u.s u.s.a u.k u.n d.c e.u a.m p.m etc al "
    "jr sr bros dept est ave blvd rd jan feb mar apr jun jul aug sep sept oct nov dec ph.d"
)
FIRST_WORDS = _words(
    "The This These That Those If In It Each Any All No Such Either Neither Both For Upon Except "
    "However We They He She Unless When Where While Nothing Notwithstanding To At On By As"
)
BOUNDARY = re.compile(
    r"[.!?][\"”’')\]]*\s+(?=[\"“‘'(\[]*[A-Z0-9§]|\([a-z]{1,4}\)|[a-z]\. [A-Z])"
    r"|[。！？][”’」』）]*\s*"
)
ENUMERATOR = re.compile(r"[(\[]?(\d+(\.\d+)*|[a-zA-Z]|[ivxlIVXL]+)[)\]]?\.?\s*")
STRAY_ENUMERATOR = re.compile(r"(^|\s)([a-z]|i{1,3}|iv|vi{0,3}|\d+(\.\d+)+)?\.$")
FINISHED = re.compile(r"[.!?。！？][\"”’')\]」』）]*$")
STARTS = re.compile(r"[\"“‘'(\[]*[A-Z0-9§\u4e00-\u9fff]")
SAYS = re.compile(r"\w{1,6}[说道问答喊叫]")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def is_chinese(text: str) -> bool:
    """More Chinese characters than a tenth of the text."""
    return 10 * len(CHINESE.findall(text)) > len(text)


def split_sentences(text: str) -> list[str]:
    """All pieces in order; joined by spaces they are the text, but for whitespace."""
    return [piece for block in _blocks(text) for piece in _split_block(block)]


def sentence_runs(text: str, shortest: int) -> list[tuple[str, ...]]:
    """Runs of at least `shortest` consecutive sentences that are fit to be quoted."""
    runs: list[tuple[str, ...]] = []
    run: list[str] = []
    for piece in split_sentences(text):
        if _is_heading(piece):
            continue
        if _is_quotable(piece) and piece not in run:
            run.append(piece)
            continue
        runs.append(tuple(run))
        run = []
    runs.append(tuple(run))
    return [run for run in runs if len(run) >= shortest]


def _blocks(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", text):
        if words := block.split():
            yield " ".join(words)


def _split_block(block: str) -> Iterator[str]:
    start = 0
    for match in BOUNDARY.finditer(block):
        quotes_on = "”" in match[0] and SAYS.match(block, match.end())
        if not quotes_on and _ends_sentence(block[start : match.start() + 1], block[match.end() :]):
            yield block[start : match.end()].strip()
            start = match.end()
    if start < len(block):
        yield block[start:]


def _ends_sentence(sentence: str, rest: str) -> bool:
    """Whether the mark that `sentence` ends with closes it; `rest` is what follows."""
    if not sentence.endswith(".") or not rest:
        return True
    if ENUMERATOR.fullmatch(sentence):
        return False
    word = sentence.split()[-1].lstrip("\"“‘'([").removesuffix(".")
    if word.lower() in NEVER_LAST or re.fullmatch(r"[A-Z]|([A-Z]\.)+[A-Z]?", word):
        return word.lower() in MAYBE_LAST and _is_first_word(rest)
    return word.lower() not in MAYBE_LAST or _is_first_word(rest)


def _is_first_word(rest: str) -> bool:
    found = re.match(r"[\"“‘'(\[]*(\w+)", rest)
    return found is not None and found[1] in FIRST_WORDS


def _is_heading(piece: str) -> bool:
    """Too short for a sentence, or a few words that are all capitalised, but for little ones."""
    if is_chinese(piece):
        return len(piece) < CHINESE_CHARACTERS.start
    words = ENUMERATOR.sub("", piece, count=1).split()
    titled = all(not word[0].islower() or len(word) <= 3 for word in words)
    return len(words) < WORDS.start or (titled and len(words) <= 12)


def _is_quotable(piece: str) -> bool:
    """Whole, printable, of a fitting length, and mostly letters."""
    chinese = is_chinese(piece)
    length = len(piece) if chinese else len(piece.split())
    letters = sum(character.isalpha() or character == " " for character in piece)
    return (
        length in (CHINESE_CHARACTERS if chinese else WORDS)
        and piece.isprintable()
        and "\ufffd" not in piece
        and letters >= 0.8 * len(piece)
        and FINISHED.search(piece) is not None
        and STARTS.match(piece) is not None
        and STRAY_ENUMERATOR.search(piece) is None
    )

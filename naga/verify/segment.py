"""Words and sentences of a text by regular expressions, in Chinese and English alike.

A word is a run of letters and digits, with apostrophes and hyphens inside, or one Chinese
character. A sentence ends at . ! ? or their Chinese forms, but not after an abbreviation, an
initial, or inside a number or an address. No models, no downloads; nothing here is a parser.
"""

import re

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff〇"
WORD = re.compile(rf"[{HAN}]|[^\W_{HAN}]+(?:['’\-][^\W_{HAN}]+)*")
HAN_CHARACTER = re.compile(rf"[{HAN}]")
END = re.compile(r"(?:[.!?]+[\"'”’)\]]*(?=\s|$)|[。！？]+[”’」』）]*|…+(?=\s|$))")
ABBREVIATION = re.compile(
    r"mrs?|ms|dr|prof|st|[js]r|inc|ltd|co|corp|vs|etc|e\.g|i\.e|cf|al|no|vol|fig|gen|col|capt|lt|sgt"
    r"|rev|u\.[sk]|[ap]\.m|ph\.d|[bm]\.a|jan|feb|mar|apr|aug|sept|oct|nov|dec|mt|ave|approx|dept|est"
)
MAY_END = ("etc", "inc", "ltd", "co", "a.m", "p.m", "u.s")
LAST_WORD = re.compile(r"[^\s(\[\"'“‘]+$")
NUMBERED = re.compile(r"(?:^|\n)\s*\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})$")


def words(text: str) -> list[str]:
    return WORD.findall(text)


def han_characters(text: str) -> int:
    """Chinese characters, punctuation not counted."""
    return len(HAN_CHARACTER.findall(text))


def sentences(text: str) -> list[str]:
    """Every sentence without the spaces around it; what has no letter or digit is none."""
    found, start = [], 0
    for end in END.finditer(text):
        if _ends(text, start, end):
            found.append(text[start : end.end()])
            start = end.end()
    found.append(text[start:])
    return [sentence.strip() for sentence in found if WORD.search(sentence)]


def _ends(text: str, start: int, end: re.Match[str]) -> bool:
    if not end[0].startswith(".") or end[0].startswith(".."):
        return True
    before = text[max(start, end.start() - 40) : end.start()]
    if NUMBERED.search(before):  # 1. of a list
        return False
    last = LAST_WORD.search(before)
    word = last[0].casefold() if last else ""
    following = text[end.end() :].lstrip()[:1]
    if ABBREVIATION.fullmatch(word):
        return word in MAY_END and following.isupper()
    initial = len(word) == 1 and word.isalpha() and word not in ("i", "a")
    return not (initial and following.isupper())


def paragraphs(text: str) -> list[str]:
    """Parts between empty lines."""
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]

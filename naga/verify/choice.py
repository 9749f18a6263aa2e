"""Multiple choice: which one letter, A to J, a reply chooses; in Chinese and English.

A reply that names several letters as its answer chooses none. Knows nothing of the options' texts.
"""

import re

from naga.verify.extract import boxed, extract
from naga.verify.normalise import normalise
from naga.verify.result import Mode

LETTERS = "ABCDEFGHIJ"
CHOSEN = re.compile(
    r"(?:(?:选择?|选项|答案(?:是|为|:|：)?|应选|故选|正确的?(?:是|为)?)\s*[:：]?"
    r"|(?i:answer|option|choice|choose|pick|select)(?i:\s+is|\s*:)?\s*(?i:option|choice)?)"
    r"\s*[*(\[（【\"']*\s*([A-J])(?![A-Za-z'’])"
)
MARKED = re.compile(r"(?<![A-Za-z0-9'’])[(\[（【]?([A-J])[)\]）】.:：、]?(?![A-Za-z0-9'’])")
LIST = re.compile(
    r"(?<![A-Za-z])([A-J])\s*[)\]）]?\s*(?:,|、|/|&|;|\s|(?i:and|or)|和|或|以及|与)+"
    r"\s*[(\[（]?([A-J])(?![A-Za-z'’])"
)


def chosen_letter(reply: str, mode: Mode = "strict") -> str | None:
    """The letter; None if there is no answer, or more than one."""
    text = reply.rpartition("</think>")[2].strip()
    if boxes := boxed(text):
        letters = {_letter(normalise(box)) for box in boxes}
        return letters.pop() if len(letters) == 1 else None
    letters = {found[1] for found in CHOSEN.finditer(text)}
    if letters:
        return letters.pop() if len(letters) == 1 and not _enumerates(text) else None
    answer = extract(reply, mode).answer
    return _letter(normalise(answer)) if answer else None


def _letter(text: str) -> str | None:
    """`B`, `(B)`, `B. Paris`, `option B`; an article (`A dog`) is not a choice."""
    if found := re.fullmatch(r"(?i:option|choice|选项|选)?\s*(.{1,400})", text):
        text = found[1].strip()
    if LIST.search(text):
        return None
    if found := re.fullmatch(r"[(\[]?\s*([A-Ja-j])\s*[)\]]?", text):
        return found[1].upper()
    if found := re.match(r"[(\[]\s*([A-J])\s*[)\]]|([A-J])\s*[.):,]\s*(?=\S)", text):
        others = {other[1] for other in MARKED.finditer(text[found.end() :])} - {"A", "I"}
        letter = found[1] or found[2]
        return letter if others <= {letter} else None
    return None


def _enumerates(text: str) -> bool:
    """Several letters side by side anywhere after a choosing word: `答案是 A、B`, `A or B`."""
    return any(LIST.match(text, found.start(1)) for found in CHOSEN.finditer(text))

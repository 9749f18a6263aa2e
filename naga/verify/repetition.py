"""How long a text is and how much of it says the same again; plain numbers, no judgement."""

from dataclasses import dataclass

from naga.verify.segment import han_characters, paragraphs, sentences, words

MAX_TEXT = 400_000


@dataclass(frozen=True, kw_only=True)
class LengthStatistics:
    characters: int
    han_characters: int
    words: int
    """A Chinese character counts as a word."""
    sentences: int
    lines: int
    """Lines with something on them."""
    paragraphs: int


def length_statistics(text: str) -> LengthStatistics:
    text = text[:MAX_TEXT]
    return LengthStatistics(
        characters=len(text.strip()),
        han_characters=han_characters(text),
        words=len(words(text)),
        sentences=len(sentences(text)),
        lines=sum(bool(line.strip()) for line in text.splitlines()),
        paragraphs=len(paragraphs(text)),
    )


def ngram_repetition(text: str, size: int = 4) -> float:
    """Share of the word n-grams that occurred before: 0 all new, near 1 one phrase forever."""
    if size < 1:
        raise ValueError(f"n-grams of {size} words")
    tokens = [word.casefold() for word in words(text[:MAX_TEXT])]
    grams = [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def line_repetition(text: str) -> float:
    """Share of the lines that occurred before; catches loops without words (`= = =`)."""
    lines = [line.strip() for line in text[:MAX_TEXT].splitlines() if line.strip()]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0

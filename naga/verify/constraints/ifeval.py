"""IFEval's 25 instructions, by their published ids and arguments (arXiv 2311.07911).

The rules are those of the published checkers, so that scores compare, with these differences:
- sentences and capital words are counted by segment.py and a regular expression, not by nltk;
- languages are told by languages.py, not by langdetect, and what nobody can tell is not followed;
- keywords are looked for as they are written, never as regular expressions.
A reply without text follows nothing: check.py sees to that.
"""

import json
import re
from collections.abc import Callable
from typing import Final, Literal

from naga.verify.languages import detect_language
from naga.verify.segment import sentences

Relation = Literal["less than", "at least"]
YES_NO_MAYBE = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
TOKEN = re.compile(r"\w+(?:[-'’.]\w+)*")


def compared(count: int, relation: Relation, limit: int) -> bool:
    return count < limit if relation == "less than" else count >= limit


def existence(reply: str, *, keywords: list[str]) -> bool:
    return all(keyword.casefold() in reply.casefold() for keyword in keywords)


def frequency(reply: str, *, keyword: str, frequency: int, relation: Relation) -> bool:
    count = reply.casefold().count(keyword.strip().casefold())
    return compared(count, relation, frequency)


def forbidden_words(reply: str, *, forbidden_words: list[str]) -> bool:
    return not any(
        re.search(rf"(?i)(?<!\w){re.escape(word)}(?!\w)", reply) for word in forbidden_words
    )


def letter_frequency(
    reply: str, *, letter: str, let_frequency: int, let_relation: Relation
) -> bool:
    return compared(reply.lower().count(letter.lower()), let_relation, let_frequency)


def response_language(reply: str, *, language: str) -> bool:
    return detect_language(reply) == language.partition("-")[0]


def number_sentences(reply: str, *, num_sentences: int, relation: Relation) -> bool:
    return compared(len(sentences(reply)), relation, num_sentences)


def number_paragraphs(reply: str, *, num_paragraphs: int) -> bool:
    """Divided by ***; only the first and the last may be empty, and do not count."""
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", reply)]
    return all(parts[1:-1]) and sum(map(bool, parts)) == num_paragraphs


def number_words(reply: str, *, num_words: int, relation: Relation) -> bool:
    return compared(len(re.findall(r"\w+", reply)), relation, num_words)


def nth_paragraph_first_word(
    reply: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str
) -> bool:
    """Divided by two line ends; empty ones do not count, yet hold their place."""
    parts = [part.strip() for part in reply.split("\n\n")]
    count = sum(map(bool, parts))
    if nth_paragraph > count or not parts[nth_paragraph - 1]:
        return False
    word = parts[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    found = re.split(r"[.,?!'\"]", word)[0].lower()
    return count == num_paragraphs and found == first_word.lower()


def number_placeholders(reply: str, *, num_placeholders: int) -> bool:
    return len(re.findall(r"\[[^\n]*?\]", reply)) >= num_placeholders


def postscript(reply: str, *, postscript_marker: str) -> bool:
    marker = postscript_marker.strip().lower()
    published = {"p.p.s": r"p\.\s?p\.\s?s", "p.s.": r"p\.\s?s\."}
    return bool(re.search(published.get(marker, re.escape(marker)), reply.lower()))


def number_bullet_lists(reply: str, *, num_bullets: int) -> bool:
    stars = re.findall(r"^\s*\*[^*].*$", reply, flags=re.MULTILINE)
    dashes = re.findall(r"^\s*-.*$", reply, flags=re.MULTILINE)
    return len(stars) + len(dashes) == num_bullets


def constrained_response(reply: str) -> bool:
    return any(option in reply for option in YES_NO_MAYBE)


def number_highlighted_sections(reply: str, *, num_highlights: int) -> bool:
    single = re.findall(r"\*[^\n*]*\*", reply)
    double = re.findall(r"\*\*[^\n*]*\*\*", reply)
    return sum(bool(found.strip("*").strip()) for found in single + double) >= num_highlights


def multiple_sections(reply: str, *, section_spliter: str, num_sections: int) -> bool:
    marker = re.escape(section_spliter.strip())
    return len(re.findall(rf"\s?{marker}\s?\d+\s?", reply)) >= num_sections


def json_format(reply: str) -> bool:
    text = reply.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def title(reply: str) -> bool:
    return any(found.lstrip("<").rstrip(">").strip() for found in re.findall(r"<<[^\n]+>>", reply))


def two_responses(reply: str) -> bool:
    parts = [part.strip() for part in reply.split("******")]
    given = [part for part in parts if part]
    return all(parts[1:-1]) and len(given) == 2 and given[0] != given[1]


def repeat_prompt(reply: str, *, prompt_to_repeat: str) -> bool:
    return reply.strip().lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(reply: str, *, end_phrase: str) -> bool:
    return reply.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def capital_word_frequency(
    reply: str, *, capital_frequency: int, capital_relation: Relation
) -> bool:
    count = sum(word.isupper() for word in TOKEN.findall(reply))
    return compared(count, capital_relation, capital_frequency)


def english_capital(reply: str) -> bool:
    return reply.isupper() and detect_language(reply) == "en"


def english_lowercase(reply: str) -> bool:
    return reply.islower() and detect_language(reply) == "en"


def no_comma(reply: str) -> bool:
    return "," not in reply


def quotation(reply: str) -> bool:
    text = reply.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


IFEVAL: Final[dict[str, Callable[..., bool]]] = {
    "keywords:existence": existence,
    "keywords:frequency": frequency,
    "keywords:forbidden_words": forbidden_words,
    "keywords:letter_frequency": letter_frequency,
    "language:response_language": response_language,
    "length_constraints:number_sentences": number_sentences,
    "length_constraints:number_paragraphs": number_paragraphs,
    "length_constraints:number_words": number_words,
    "length_constraints:nth_paragraph_first_word": nth_paragraph_first_word,
    "detectable_content:number_placeholders": number_placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:number_bullet_lists": number_bullet_lists,
    "detectable_format:constrained_response": constrained_response,
    "detectable_format:number_highlighted_sections": number_highlighted_sections,
    "detectable_format:multiple_sections": multiple_sections,
    "detectable_format:json_format": json_format,
    "detectable_format:title": title,
    "combination:two_responses": two_responses,
    "combination:repeat_prompt": repeat_prompt,
    "startend:end_checker": end_checker,
    "startend:quotation": quotation,
    "change_case:capital_word_frequency": capital_word_frequency,
    "change_case:english_capital": english_capital,
    "change_case:english_lowercase": english_lowercase,
    "punctuation:no_comma": no_comma,
}

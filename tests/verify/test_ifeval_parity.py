"""Our IFEval checkers beside lm-eval's, on crafted and random replies.

lm-eval wants immutabledict and langdetect (its extra `ifeval`) and nltk's downloaded data. Where
they are missing, dict and our own detector stand in, so the language itself is not compared here;
words are cut by nltk's rules that need no data; sentences are left out, since they need it.
"""

import importlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naga.verify.constraints import follow_all
from naga.verify.languages import detect_language

nltk = pytest.importorskip("nltk", reason="needs the extra: pip install 'naga-lm[interop]'")
pytest.importorskip("lm_eval", reason="needs the extra: pip install 'naga-lm[interop]'")
pytestmark = pytest.mark.filterwarnings("ignore")

RELATIONS = st.sampled_from(["less than", "at least"])
COUNT = st.integers(1, 4)
WORD = st.sampled_from(["rent", "Paris", "the", "answer", "NASA"])
ARGUMENTS: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "keywords:existence": {"keywords": st.lists(WORD, min_size=1, max_size=3)},
    "keywords:frequency": {"keyword": WORD, "frequency": COUNT, "relation": RELATIONS},
    "keywords:forbidden_words": {"forbidden_words": st.lists(WORD, min_size=1, max_size=3)},
    "keywords:letter_frequency": {
        "letter": st.sampled_from("aeQ"),
        "let_frequency": COUNT,
        "let_relation": RELATIONS,
    },
    "length_constraints:number_paragraphs": {"num_paragraphs": COUNT},
    "length_constraints:number_words": {"num_words": st.integers(1, 30), "relation": RELATIONS},
    "length_constraints:nth_paragraph_first_word": {
        "num_paragraphs": st.just(2),
        "nth_paragraph": st.integers(1, 2),
        "first_word": WORD,
    },
    "detectable_content:number_placeholders": {"num_placeholders": COUNT},
    "detectable_content:postscript": {"postscript_marker": st.sampled_from(["P.S.", "P.P.S"])},
    "detectable_format:number_bullet_lists": {"num_bullets": COUNT},
    "detectable_format:constrained_response": {},
    "detectable_format:number_highlighted_sections": {"num_highlights": COUNT},
    "detectable_format:multiple_sections": {
        "section_spliter": st.sampled_from(["Section", "Day"]),
        "num_sections": COUNT,
    },
    "detectable_format:json_format": {},
    "detectable_format:title": {},
    "combination:two_responses": {},
    "combination:repeat_prompt": {"prompt_to_repeat": WORD},
    "startend:end_checker": {"end_phrase": WORD},
    "startend:quotation": {},
    "change_case:capital_word_frequency": {
        "capital_frequency": COUNT,
        "capital_relation": RELATIONS,
    },
    "change_case:english_capital": {},
    "change_case:english_lowercase": {},
    "punctuation:no_comma": {},
}
PIECES = st.sampled_from(
    r"""rent|Paris|the|answer|NASA|PARENT|it's| | | |\n|\n\n|, |. |***|******|*|**bold**|*x*
[name]|[|]|<<A title>>|<< >>|"|'|P.S. bye|p.p.s x|Section 1|Day 2|\n* item|\n- item|{"a": 1}
My answer is no.|```json\n[1]\n```|THE ANSWER IS|3.5|租金|-""".replace("\n", "|")
    .replace(r"\n", "\n")
    .split("|")
)
REPLIES = st.lists(PIECES, max_size=14).map("".join)


@pytest.fixture(scope="module")
def published() -> Iterator[ModuleType]:
    """lm-eval's own strict and loose functions; nothing is downloaded."""
    patch = pytest.MonkeyPatch()
    patch.setattr(nltk.data, "find", lambda *names, **options: None)
    patch.setattr(nltk, "word_tokenize", nltk.tokenize.NLTKWordTokenizer().tokenize)
    if find_spec("langdetect") is None:
        langdetect = ModuleType("langdetect")
        langdetect.__dict__.update(detect=detect_language, LangDetectException=RuntimeError)
        patch.setitem(sys.modules, "langdetect", langdetect)
    if find_spec("immutabledict") is None:
        immutabledict = ModuleType("immutabledict")
        immutabledict.__dict__.update(immutabledict=dict)
        patch.setitem(sys.modules, "immutabledict", immutabledict)
    yield importlib.import_module("lm_eval.tasks.ifeval.utils")
    patch.undo()


@pytest.mark.parametrize("instruction", ARGUMENTS)
def test_as_lm_eval_says(published: ModuleType, instruction: str) -> None:
    strategy = st.fixed_dictionaries(ARGUMENTS[instruction])

    @given(REPLIES, strategy)
    @settings(max_examples=150, deadline=None, derandomize=True)
    def agree(reply: str, arguments: dict[str, object]) -> None:
        row = published.InputExample(0, [instruction], "", [arguments])
        for loose, theirs in (
            (False, published.test_instruction_following_strict),
            (True, published.test_instruction_following_loose),
        ):
            expected = theirs(row, reply).follow_instruction_list
            found = follow_all(reply, [instruction], [arguments], loose=loose)
            assert list(found.instructions) == expected

    agree()


def test_all_but_two_are_compared(published: ModuleType) -> None:
    ours = {"length_constraints:number_sentences", "language:response_language"}
    assert set(published.instructions_registry.INSTRUCTION_DICT) == set(ARGUMENTS) | ours

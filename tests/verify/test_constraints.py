"""Each instruction is followed by one text and not by another; nothing follows from nothing."""

import json
from pathlib import Path

import pytest

from naga.config.base import ConfigError
from naga.verify.constraints import follow_all, follows, known_instructions
from naga.verify.languages import detect_language
from naga.verify.segment import sentences, words

AT_LEAST_TWO = {"relation": "at least"}
CASES: list[tuple[str, dict[str, object], str, str]] = [
    ("keywords:existence", {"keywords": ["rent", "C++"]}, "Rent and c++.", "Rent only."),
    ("keywords:frequency", {"keyword": "a.b", "frequency": 2} | AT_LEAST_TWO, "a.b a.b", "a.b axb"),
    ("keywords:forbidden_words", {"forbidden_words": ["rent"]}, "A parent.", "The Rent!"),
    (
        "keywords:letter_frequency",
        {"letter": "e", "let_frequency": 3, "let_relation": "less than"},
        "Elder",
        "eleven e",
    ),
    (
        "keywords:letter_frequency",
        {"letter": "#", "let_frequency": 2, "let_relation": "at least"},
        "# a #",
        "# a",
    ),
    ("language:response_language", {"language": "de"}, "Das ist nicht gut.", "This is not good."),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2} | AT_LEAST_TWO,
        "One. Two!",
        "Dr. Who paid 3.5 dollars.",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb\n***", "a\n\nb"),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": "less than"},
        "one two",
        "one two three",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        "First.\n\n'then, second.",
        "First.\n\nNow second.",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] and [b]", "[a] b]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Hi.\nP.S. bye", "Hi. PS"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "x\np. p. s y", "P.S. x"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n- b", "* a\n** b"),
    ("detectable_format:constrained_response", {}, "My answer is no.", "No."),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "*a* b", "* * b"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Part", "num_sections": 2},
        "Part 1 a Part 2 b",
        "Part one Part 2",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "{a: 1}"),
    ("detectable_format:title", {}, "<<A poem>>\nx", "<< >>\nx"),
    ("combination:two_responses", {}, "a\n******\nb", "a\n******\na"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."}, "say it. It.", "It. Say it."),
    ("startend:end_checker", {"end_phrase": "The end."}, 'So. "the end."', "The end. Or?"),
    ("startend:quotation", {}, ' "all of it" ', '"all" of it'),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "I am NASA",
        "Nasa Is Not",
    ),
    ("change_case:english_capital", {}, "THIS IS THE ANSWER", "THIS is THE ANSWER"),
    ("change_case:english_lowercase", {}, "this is the answer", "This is the answer"),
    ("punctuation:no_comma", {}, "a b", "a, b"),
    ("naga:han_between", {"least": 2, "most": 4}, "三个字。", "五个汉字啊"),
    ("naga:characters_between", {"least": 2, "most": 4}, " abc ", "abcde"),
    ("naga:words_between", {"least": 3, "most": 3}, "two 词语", "two words"),
    ("naga:sentences_exactly", {"count": 2}, "第一句。第二句！", "第一句，第二句。"),
    ("naga:paragraphs_exactly", {"count": 2}, "a\n\nb", "a\nb"),
    ("naga:lines_exactly", {"count": 2}, "a\n\nb", "a"),
    ("naga:numbered_items", {"count": 2}, "1. a\n2、b", "1. a\n3. b"),
    ("naga:starts_with", {"phrase": "你好"}, "你好，世界", "世界，你好"),
    ("naga:each_line_starts_with", {"phrase": ">"}, "> a\n> b", "> a\nb"),
    ("naga:acrostic", {"letters": "春天"}, "春风\n天空", "春风\n地面"),
    ("naga:lines_of_length", {"han": 5}, "床前明月光，\n疑是地上霜。", "床前月光，疑是地上霜。"),
    ("naga:only_han", {}, "全是汉字。", "有1个数字"),
    ("naga:no_digits", {}, "three", "3"),
    ("naga:no_punctuation", {}, "no marks 没有", "a mark。"),
    ("naga:forbidden_characters", {"characters": "eE的"}, "It is small", "It is the one"),
    ("naga:keyword_exactly", {"keyword": "cat", "count": 1}, "A Cat, category.", "cat cat"),
    ("naga:keyword_exactly", {"keyword": "天", "count": 2}, "天天向上", "天上"),
    ("naga:keywords_in_order", {"keywords": ["a", "b"]}, "A then B", "b then a"),
    ("naga:table", {"columns": 2, "rows": 1}, "|a|b|\n|-|-|\n|1|2|", "|a|b|\n|1|2|\n|3|4|"),
    ("naga:all_different_words", {}, "each word once", "one and one"),
]


@pytest.mark.parametrize(
    ("instruction", "arguments", "right", "wrong"), CASES, ids=[case[0] for case in CASES]
)
def test_followed_and_not(
    instruction: str, arguments: dict[str, object], right: str, wrong: str
) -> None:
    assert follows(right, instruction, arguments)
    assert not follows(wrong, instruction, arguments)
    for empty in ("", " \n "):
        assert not follows(empty, instruction, arguments)
        assert not follows(empty, instruction, arguments, loose=True)


def test_every_instruction_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(known_instructions())


def test_loose_forgives_an_introduction_and_bold_face() -> None:
    reply = 'Here it is:\n"all of it"'
    assert not follows(reply, "startend:quotation", {})
    assert follows(reply, "startend:quotation", {}, loose=True)
    assert follows("**THIS IS THE END**", "startend:end_checker", {"end_phrase": "end"}, loose=True)


def test_a_row_is_followed_one_by_one() -> None:
    found = follow_all("a b", ["punctuation:no_comma", "detectable_format:title"], [{}, {}])
    assert found.instructions == (True, False)
    assert (found.all, found.share) == (False, 0.5)


@pytest.mark.parametrize(
    ("instruction", "arguments", "named"),
    [
        ("keywords:nothing", {}, "keywords:nothing"),
        ("punctuation:no_comma", {"keyword": "a"}, "keyword"),
        ("naga:han_between", {"least": 1}, "most"),
        ("naga:han_between", {"least": "1", "most": 2}, "least '1'"),
        ("keywords:existence", {"keywords": "rent"}, "keywords 'rent'"),
        ("length_constraints:number_words", {"num_words": 1, "relation": "most"}, "relation"),
    ],
)
def test_a_wrong_row_is_named(instruction: str, arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        follows("text", instruction, arguments)
    with pytest.raises(ConfigError):
        follow_all("text", [], [])


def test_padding_with_none_is_no_argument() -> None:
    assert follows("a b", "punctuation:no_comma", {"num_words": None, "keywords": None})


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The tenant shall pay the rent on the first day of each month."),
        ("zh", "承租人应当在每月第一天支付租金。"),
        ("ja", "借主は毎月一日に家賃を支払わなければならない。"),
        ("ko", "임차인은 매월 첫째 날에 임대료를 지불해야 합니다."),
        ("de", "Der Mieter zahlt die Miete am ersten Tag des Monats und nicht später."),
        ("fr", "Le locataire doit payer le loyer le premier jour de chaque mois."),
        ("es", "El inquilino debe pagar la renta el primer día de cada mes."),
        ("pt", "O inquilino não pode pagar o aluguel depois do primeiro dia do mês."),
        ("it", "Il conduttore deve pagare il canone il primo giorno del mese."),
        ("vi", "Người thuê nhà phải trả tiền thuê vào ngày đầu tiên của mỗi tháng."),
        ("fi", "Vuokralainen maksaa vuokran kuukauden ensimmäisenä päivänä ja se on hyvin."),
        ("sw", "Mpangaji atalipa kodi ya nyumba katika siku ya kwanza ya kila mwezi."),
        ("ru", "Арендатор платит за квартиру в первый день месяца, и это не так дорого."),
        ("bg", "Наемателят трябва да плати наема на първия ден от месеца и това е всичко."),
        ("ar", "يجب على المستأجر أن يدفع الإيجار في اليوم الأول من كل شهر."),
        ("fa", "مستاجر باید اجاره را در روز اول هر ماه پرداخت کند و این مهم است."),
        ("ur", "کرایہ دار کو ہر مہینے کے پہلے دن کرایہ ادا کرنا ہے اور یہ ضروری ہے۔"),
        ("hi", "किरायेदार को हर महीने के पहले दिन किराया देना है और यह ज़रूरी है।"),
        ("mr", "भाडेकरूने दर महिन्याच्या पहिल्या दिवशी भाडे द्यावे आणि हे महत्त्वाचे आहे."),
        ("ne", "भाडावालले हरेक महिनाको पहिलो दिन भाडा तिर्नुपर्छ र यो महत्त्वपूर्ण छ।"),
        ("bn", "ভাড়াটিয়াকে প্রতি মাসের প্রথম দিনে ভাড়া দিতে হবে।"),
        ("pa", "ਕਿਰਾਏਦਾਰ ਨੂੰ ਹਰ ਮਹੀਨੇ ਕਿਰਾਇਆ ਦੇਣਾ ਹੈ।"),
        ("gu", "ભાડૂતે દર મહિને ભાડું ચૂકવવું જોઈએ."),
        ("ta", "வாடகைதாரர் ஒவ்வொரு மாதமும் வாடகை செலுத்த வேண்டும்."),
        ("te", "అద్దెదారు ప్రతి నెలా అద్దె చెల్లించాలి."),
        ("kn", "ಬಾಡಿಗೆದಾರರು ಪ್ರತಿ ತಿಂಗಳು ಬಾಡಿಗೆ ಪಾವತಿಸಬೇಕು."),
        ("th", "ผู้เช่าต้องจ่ายค่าเช่าทุกเดือน"),
        (None, "12345 !!"),
        (None, "zzz qqq"),
    ],
)
def test_languages(language: str | None, text: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("Mr. Smith met Dr. Jones at 3.5 p.m. on Monday.", 1),
        ("J. R. Tolkien wrote it. I know.", 2),
        ("Really?! Yes... Maybe.", 3),
        ('He said "Go." She went.', 2),
        ("See example.com for more. Done", 2),
        ("第一句。第二句！第三句？", 3),
        ("他说：“好。”她走了。", 2),
        ("1. First item.\n2. Second item.", 2),
        ("", 0),
        ("...", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert len(sentences(text)) == count


def test_words_are_runs_of_letters_or_chinese_characters() -> None:
    assert words("Don't use well-known 词语 3x.") == [
        "Don't",
        "use",
        "well-known",
        "词",
        "语",
        "3x",
    ]


def test_every_published_row_can_be_graded(public: Path) -> None:
    lines = (public / "ifeval" / "ifeval.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        row = json.loads(line)
        found = follow_all("A reply.", row["instruction_id_list"], row["kwargs"])
        assert len(found.instructions) == len(row["instruction_id_list"])

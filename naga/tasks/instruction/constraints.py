"""Constraints to set: how each is asked for, drawn, and kept by a draft of the gold reply.

Constraints of one group exclude each other. Adding one needs an entry here and a check (checks.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from naga.tasks.example import Language
from naga.tasks.instruction.drafts import (
    END_PHRASES,
    Arguments,
    Draft,
    draw_forbidden,
    draw_han,
    draw_length,
    draw_nothing,
    draw_sentences,
    keep_han,
    keep_length,
    keep_out_words,
    keep_placeholders,
    keep_sentences,
    keep_words,
    longer,
)

RELATIONS = {"at least": "不少于", "less than": "少于"}


@dataclass(frozen=True, kw_only=True)
class Constraint:
    identifier: str
    group: str
    english: tuple[str, ...]
    """How it is asked for, with its arguments in braces; none: not asked for in English."""
    chinese: tuple[str, ...]
    draw: Callable[[Random, Draft], Arguments]
    keep: Callable[[Draft, Arguments], Draft]

    def asked(self, random: Random, arguments: Arguments, language: Language) -> str:
        comma = ", " if language == "en" else "、"
        said = {
            key: comma.join(value) if isinstance(value, list) else str(value)
            for key, value in arguments.items()
        }
        if language == "zh" and "relation" in said:
            said["relation"] = RELATIONS[said["relation"]]
        wordings = self.english if language == "en" else self.chinese
        return random.choice(wordings).format(**said)


CONSTRAINTS: tuple[Constraint, ...] = (
    Constraint(
        identifier="punctuation:no_comma",
        group="comma",
        english=("Do not use any commas.", "Write without commas."),
        chinese=(),
        draw=draw_nothing,
        keep=lambda draft, a: draft,
    ),
    Constraint(
        identifier="naga:forbidden_characters",
        group="comma",
        english=(),
        chinese=("不要使用这些符号：{characters}", "全文不得出现这些符号：{characters}"),
        draw=lambda random, draft: {
            "characters": random.choice(("，、", "，；", "，！", "、！；"))
        },
        keep=lambda draft, a: draft,
    ),
    Constraint(
        identifier="length_constraints:number_sentences",
        group="length",
        english=(
            "Use {relation} {num_sentences} sentences.",
            "Write {relation} {num_sentences} sentences.",
        ),
        chinese=("句子数{relation} {num_sentences} 句。", "全文{relation} {num_sentences} 句话。"),
        draw=draw_sentences,
        keep=keep_sentences,
    ),
    Constraint(
        identifier="length_constraints:number_words",
        group="length",
        english=(
            "Use {relation} {num_words} words.",
            "Your text must have {relation} {num_words} words.",
        ),
        chinese=(),
        draw=draw_length,
        keep=keep_length,
    ),
    Constraint(
        identifier="naga:han_between",
        group="length",
        english=(),
        chinese=("全文 {least} 到 {most} 个汉字。", "汉字数不少于 {least}、不多于 {most}。"),
        draw=draw_han,
        keep=keep_han,
    ),
    Constraint(
        identifier="detectable_format:number_bullet_lists",
        group="length",
        english=(
            "Make it a list of exactly {num_bullets} bullet points, each starting with `* `.",
            "Write exactly {num_bullets} bullet points like this: * a point",
        ),
        chinese=(
            "写成正好 {num_bullets} 个以“* ”开头的要点。",
            "用正好 {num_bullets} 条项目符号，如：* 要点",
        ),
        draw=lambda random, draft: {"num_bullets": random.randint(2, 5)},
        keep=lambda draft, a: replace(
            draft,
            bulleted=True,
            sentences=longer(draft, a["num_bullets"]).sentences[: a["num_bullets"]],
        ),
    ),
    Constraint(
        identifier="keywords:existence",
        group="words",
        english=("Include the words {keywords}.", "These words must appear: {keywords}."),
        chinese=("必须包含这些词：{keywords}。", "文中要出现：{keywords}。"),
        draw=lambda random, draft: {
            "keywords": sorted(random.sample(draft.topic.words, random.randint(1, 2)))
        },
        keep=keep_words,
    ),
    Constraint(
        identifier="keywords:forbidden_words",
        group="words",
        english=(
            "Do not use the words {forbidden_words}.",
            "Avoid these words: {forbidden_words}.",
        ),
        chinese=("不得出现这些词：{forbidden_words}。", "不要使用：{forbidden_words}。"),
        draw=draw_forbidden,
        keep=keep_out_words,
    ),
    Constraint(
        identifier="keywords:frequency",
        group="words",
        english=(
            "Use the word {keyword} {relation} {frequency} times.",
            "The word {keyword} must appear {relation} {frequency} times.",
        ),
        chinese=(
            "“{keyword}”一词出现的次数{relation} {frequency} 次。",
            "让“{keyword}”出现{relation} {frequency} 次。",
        ),
        draw=lambda random, draft: {
            "keyword": draft.topic.name,
            "relation": "at least",
            "frequency": random.randint(2, 5),
        },
        keep=lambda draft, a: longer(draft, a["frequency"]),
    ),
    Constraint(
        identifier="change_case:english_lowercase",
        group="case",
        english=("Use lowercase letters only.", "Write everything in lowercase."),
        chinese=(),
        draw=draw_nothing,
        keep=lambda draft, a: replace(draft, change_case=str.lower),
    ),
    Constraint(
        identifier="change_case:english_capital",
        group="case",
        english=("Use capital letters only.", "Write everything in capital letters."),
        chinese=(),
        draw=draw_nothing,
        keep=lambda draft, a: replace(draft, change_case=str.upper),
    ),
    Constraint(
        identifier="detectable_format:title",
        group="title",
        english=(
            "Give it a title in double angular brackets, like <<title>>.",
            "Begin with a title of the form <<title>>.",
        ),
        chinese=("加一个标题，写成 <<标题>>。", "开头写标题，用双尖括号：<<标题>>。"),
        draw=draw_nothing,
        keep=lambda draft, a: replace(draft, title=True),
    ),
    Constraint(
        identifier="detectable_content:number_placeholders",
        group="content",
        english=(
            "Include at least {num_placeholders} placeholders in square brackets, such as [name].",
            "There must be {num_placeholders} or more placeholders like [address].",
        ),
        chinese=(
            "至少包含 {num_placeholders} 个方括号占位符，如[姓名]。",
            "要有不少于 {num_placeholders} 个像[地址]这样的占位符。",
        ),
        draw=lambda random, draft: {"num_placeholders": random.randint(1, 3)},
        keep=keep_placeholders,
    ),
    Constraint(
        identifier="detectable_content:postscript",
        group="end",
        english=(
            "Add a postscript that starts with {postscript_marker}",
            "At the end, write a postscript beginning with {postscript_marker}",
        ),
        chinese=(
            "最后加一段以 {postscript_marker} 开头的附言。",
            "结尾写附言，以 {postscript_marker} 开头。",
        ),
        draw=lambda random, draft: {"postscript_marker": "P.S."},
        keep=lambda draft, a: replace(draft, postscript=a["postscript_marker"]),
    ),
    Constraint(
        identifier="startend:end_checker",
        group="end",
        english=(
            'End with exactly these words: "{end_phrase}"',
            'The last words must be "{end_phrase}"',
        ),
        chinese=("以这句话结尾：“{end_phrase}”", "最后一句必须是“{end_phrase}”"),
        draw=lambda random, draft: {"end_phrase": random.choice(END_PHRASES[draft.language])},
        keep=lambda draft, a: replace(draft, ending=a["end_phrase"]),
    ),
    Constraint(
        identifier="startend:quotation",
        group="end",
        english=(
            "Put the whole text in double quotation marks.",
            "Wrap your whole reply in double quotes.",
        ),
        chinese=('把全文放在英文双引号（"）里。', '整个回答要用英文双引号 " 括起来。'),
        draw=draw_nothing,
        keep=lambda draft, a: replace(draft, quoted=True),
    ),
)

"""Every occurrence of one letter replaced by another; at the hard level of two, or two swapped.

The trace writes beside each letter what becomes of it. All replacements happen at once, so that a
letter put in is not replaced again.
"""

from random import Random
from typing import ClassVar, final

from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    grade_exact,
    pick,
)
from naga.tasks.text.strings import LETTERS, draw_repetitive

ONE_EN = (
    'Replace every "{a}" in "{text}" with "{b}".',
    "Replace each {a} by {b} in the string {text}.",
    'In "{text}", change all letters {a} to {b}.',
    "Take {text} and put {b} wherever there is {a}.",
)
ONE_ZH = (
    "把“{text}”中的每个“{a}”替换成“{b}”。",
    "将字符串 {text} 里的 {a} 全部换成 {b}。",
    "在 {text} 中，用 {b} 代替所有的 {a}，结果是什么？",
    "把 {text} 里的字母 {a} 都改为 {b}。",
)
TWO_EN = (
    'In "{text}", replace every {a} with {b} and every {c} with {d}, all at once.',
    "Change {a} to {b} and {c} to {d} in the string {text}, both at the same time.",
    'Replace in "{text}": {a} by {b}, {c} by {d} (simultaneously).',
)
TWO_ZH = (
    "在“{text}”中，同时把每个 {a} 换成 {b}、每个 {c} 换成 {d}。",
    "将字符串 {text} 里的 {a} 换成 {b}，同时把 {c} 换成 {d}。",
    "把 {text} 中的 {a} 改为 {b}，{c} 改为 {d}（同时进行）。",
)


@final
class Replacing(Generator):
    name: ClassVar[str] = "replacing"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        text = draw_repetitive(random, level)
        while len(set(text)) < 2:
            text = draw_repetitive(random, level)
        a, c = random.sample(sorted(set(text)), 2)
        b, d = random.sample(sorted(set(LETTERS) - {a, c}), 2)
        if random.random() < 0.4:
            b, d = c, a
        pairs = {a: b, c: d} if level == "hard" else {a: b}
        english = TWO_EN if level == "hard" else ONE_EN
        chinese = TWO_ZH if level == "hard" else ONE_ZH
        answer = "".join(pairs.get(letter, letter) for letter in text)
        rules = " ".join(f"{old}>{new}" for old, new in pairs.items())
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{text} {rules}",
            messages=conversation(
                pick(random, english, chinese, language).format(text=text, a=a, b=b, c=c, d=d),
                replace_trace(text, pairs, rules),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_exact(reply, example.answer)


def replace_trace(text: str, pairs: dict[str, str], rules: str) -> str:
    """`a>o / c>c a>o t>t / cot`, one line each."""
    steps = [f"{letter}>{pairs.get(letter, letter)}" for letter in text]
    answer = "".join(step[-1] for step in steps)
    return "\n".join([rules, " ".join(steps), answer])

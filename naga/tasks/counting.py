"""How often a word appears in a list of words.

The trace walks through the list; beside every word it writes the one to count, so that comparing
them is a local matter, and the count so far. The answer is the last number of the trace.
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

ITEMS: dict[Level, tuple[int, int]] = {"easy": (3, 10), "medium": (10, 20), "hard": (20, 40)}

WORDS_EN = (
    *("apple", "banana", "cherry", "grape", "lemon", "mango", "orange", "peach", "pear", "plum"),
    *("red", "blue", "green", "yellow", "black", "white", "brown", "pink", "gray", "gold"),
    *("cat", "dog", "bird", "fish", "horse", "cow", "sheep", "duck", "lion", "wolf"),
    *("book", "pen", "cup", "chair", "table", "lamp", "door", "clock", "box", "key"),
)
WORDS_ZH = (
    *("苹果", "香蕉", "葡萄", "西瓜", "桃子", "梨", "橙子", "柠檬", "草莓", "樱桃"),
    *("红色", "蓝色", "绿色", "黄色", "黑色", "白色", "紫色", "灰色"),
    *("猫", "狗", "鸟", "鱼", "马", "牛", "羊", "鸭子", "狮子", "老虎"),
    *("书", "笔", "杯子", "椅子", "桌子", "灯", "门", "钟", "盒子", "钥匙"),
)
WORDINGS_EN = (
    'How many times does "{word}" appear in this list: {list}?',
    "How many times does {word} appear in: {list}",
    'Count the word "{word}" in this list: {list}.',
    "How often does {word} occur in the list {list}?",
    "{list}\nHow many times does {word} appear in this list?",
    'List: {list}\nHow many are "{word}"?',
)
WORDINGS_ZH = (
    "“{word}”在下面的列表中出现了几次：{list}？",
    "数一数{word}出现了多少次：{list}",
    "下面的列表里有几个“{word}”？{list}",
    "{list}\n其中{word}出现了几次？",
    "列表：{list}\n“{word}”出现了多少次？",
)


@final
class Counting(Generator):
    name: ClassVar[str] = "counting"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        words = _words(random, level, WORDS_EN if language == "en" else WORDS_ZH)
        word, items = words[0], words[1:]
        separator = pick(random, (", ", ", ", " "), ("、", "，", " "), language)
        wording = pick(random, WORDINGS_EN, WORDINGS_ZH, language)
        answer = str(items.count(word))
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{word} in {' '.join(items)}",
            messages=conversation(
                wording.format(word=word, list=separator.join(items)),
                count_trace(word, items),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_exact(reply, example.answer)


def count_trace(word: str, items: list[str]) -> str:
    """`pear/apple 0, apple/apple 1, plum/apple 1` for the word apple."""
    counts = (items[: i + 1].count(word) for i in range(len(items)))
    return ", ".join(f"{item}/{word} {count}" for item, count in zip(items, counts, strict=True))


def _words(random: Random, level: Level, vocabulary: tuple[str, ...]) -> list[str]:
    """The word to count, then the list it is counted in; in half of them only it is repeated."""
    num_items = random.randint(*ITEMS[level])
    hits = random.randint(0, 2 + num_items // 2)
    num_others = max(0, num_items - hits)
    if random.random() < 0.5 and num_others < len(vocabulary):
        word, *others = random.sample(vocabulary, num_others + 1)
    else:
        word, *kinds = random.sample(vocabulary, random.randint(3, 6))
        others = random.choices(kinds, k=num_others)
    items = [word] * min(hits, num_items) + others
    random.shuffle(items)
    return [word, *items]

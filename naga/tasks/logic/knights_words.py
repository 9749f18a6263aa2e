"""Words of knights and knaves in en and zh: names, rules, and how a claim is said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from naga.tasks.example import Language
from naga.tasks.logic.formulas import Formula

NAMES: Mapping[Language, tuple[str, ...]] = {
    "en": ("Ann", "Bob", "Cid", "Dora", "Eve", "Finn", "Gus", "Hana", "Ivy", "Jack", "Kim", "Leo"),
    "zh": (
        *("小安", "小白", "小陈", "小丁", "小方", "小高"),
        *("小何", "小江", "小柯", "小林", "小马", "小宁"),
    ),
}
MARKUP = re.compile(r"[*_`]+")
"""Emphasis around names and roles, which an answer may have."""


@dataclass(frozen=True, kw_only=True)
class Words:
    knight: str
    knave: str
    colon: str
    comma: str
    last: str
    piece: re.Pattern[str]
    """One name and one role, as an answer may give them."""
    one: str
    """{x} has the role {r}."""
    both: str
    """{x} and {y}, two clauses, are true."""
    either: str
    implies: str
    same: str
    different: str
    exactly: tuple[str, str, str]
    """Of all people none, one, or {n} are knights."""
    myself: str

    def role(self, knight: bool) -> str:
        return self.knight if knight else self.knave


WORDS: Mapping[Language, Words] = {
    "en": Words(
        knight="knight",
        knave="knave",
        colon=": ",
        comma=", ",
        last=" and ",
        piece=re.compile(r"(\w+)(?:\s*[:=]\s*|\s+is\s+)(?:a\s+)?(knight|knave)", re.IGNORECASE),
        one="{x} is a {r}",
        both="{x} and {y}",
        either="{x} or {y}",
        implies="if {x}, then {y}",
        same="{x} and {y} are of the same kind",
        different="{x} and {y} are of different kinds",
        exactly=(
            "none of us is a knight",
            "exactly one of us is a knight",
            "exactly {n} of us are knights",
        ),
        myself="I",
    ),
    "zh": Words(
        knight="骑士",
        knave="无赖",
        colon="：",
        comma="，",
        last="和",
        piece=re.compile(r"(\w+?)(?:\s*[:：=]\s*|\s*是\s*)(?:一?[个名位])?(骑士|无赖)"),
        one="{x}是{r}",
        both="{x}，并且{y}",
        either="{x}，或者{y}",
        implies="如果{x}，那么{y}",
        same="{x}和{y}是同一类人",
        different="{x}和{y}不是同一类人",
        exactly=("我们当中没有骑士", "我们当中正好有一个骑士", "我们当中正好有{n}个骑士"),
        myself="我",
    ),
}  # fmt: skip

RULES: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "On an island everybody is either a knight, who always tells the truth, or a knave, who "
        "always lies. You meet {names}.",
        "Knights only say what is true, knaves only say what is false. {names} are each one or "
        "the other.",
        "Each of {names} is a knight or a knave. Knights never lie; knaves never tell the truth.",
    ),
    "zh": (
        "岛上每个人不是骑士就是无赖：骑士总说真话，无赖总说假话。你遇到了{names}。",
        "骑士只说真话，无赖只说假话。{names}每个人是其中的一种。",
        "{names}每个人要么是骑士，要么是无赖。骑士从不说谎，无赖从不说真话。",
    ),
}
SAYS: Mapping[Language, tuple[str, ...]] = {
    "en": ("{name} says: {claim}.", '{name}: "{claim}."', "{name} claims: {claim}."),
    "zh": ("{name}说：{claim}。", "{name}：“{claim}。”", "{name}声称：{claim}。"),
}
ASKS: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "Who is what? Answer in the form: NAME: knight, NAME: knave, ...",
        'Say of each one "NAME: knight" or "NAME: knave", separated by commas.',
        "Find out what each of them is. Write NAME: knight or NAME: knave for all, with commas.",
    ),
    "zh": (
        "每个人是什么？请按“名字：骑士，名字：无赖”的形式回答。",
        "请逐个写出“名字：骑士”或“名字：无赖”，用逗号隔开。",
        "判断每个人的身份，写成“名字：骑士”或“名字：无赖”，用逗号分开。",
    ),
}


def claim(words: Words, formula: Formula, speaker: int, names: Sequence[str]) -> str:
    """What the speaker says of others by name and of itself as `I`."""
    match formula.operator:
        case "atom":
            return words.one.format(x=names[formula.atom], r=words.knight)
        case "not" if formula.parts[0].operator == "atom":
            return words.one.format(x=names[formula.parts[0].atom], r=words.knave)
        case "not":
            return _alike(words.different, words, formula.parts[0], speaker, names)
        case "iff":
            return _alike(words.same, words, formula, speaker, names)
        case "exactly":
            return words.exactly[min(formula.count, 2)].format(n=formula.count)
        case "and" | "or" | "implies":
            patterns = {"and": words.both, "or": words.either, "implies": words.implies}
            first, second = (claim(words, part, speaker, names) for part in formula.parts)
            return patterns[formula.operator].format(x=first, y=second)


def _alike(pattern: str, words: Words, same: Formula, speaker: int, names: Sequence[str]) -> str:
    """Of two people, the speaker last."""
    people = sorted((part.atom for part in same.parts), key=lambda i: i == speaker)
    first, second = (words.myself if i == speaker else names[i] for i in people)
    return pattern.format(x=first, y=second)

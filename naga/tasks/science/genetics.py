"""Mendelian inheritance: one, two or three unlinked genes, a capital letter dominant.

Easy, medium and hard are one, two and three genes. Asked is the probability of a genotype or of a
look (`A_` is AA or Aa) among the offspring, as a fraction, or how many
of so many offspring are expected to be so. The trace lists the four combinations of each gene,
counts those that fit, and multiplies. Sex chromosomes, linkage and intermediate looks are not
covered.
"""

from fractions import Fraction
from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_number
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)
from naga.tasks.working import worked

GENES: dict[Level, int] = {"easy": 1, "medium": 2, "hard": 3}
OFFSPRING: dict[Level, tuple[int, int]] = {"easy": (2, 50), "medium": (2, 40), "hard": (2, 20)}
LETTERS = "ABDEGHMNRT"

RULE_EN = "Capital letters are dominant alleles{unlinked}{either}."
RULE_ZH = "大写字母为显性等位基因{unlinked}{either}。"
EITHER_EN = "; _ stands for either allele"
EITHER_ZH = "，_ 表示任一等位基因"
SHARE_EN = (
    "{rule} In the cross {cross}, what fraction of the offspring is expected to be {goal}?",
    "{rule} Parents {cross}: what is the probability that a child is {goal}? Give a fraction.",
    "{cross} are crossed. {rule} Find the probability of {goal} offspring as a fraction.",
    "What share of the offspring of {cross} is {goal}? {rule} Answer with a fraction.",
)
SHARE_ZH = (
    "{rule}杂交 {cross}，后代为 {goal} 的比例是多少（用分数表示）？",
    "亲本 {cross}。{rule}求子代为 {goal} 的概率（分数）。",
    "{cross} 杂交，{rule}子代是 {goal} 的概率是几分之几？",
    "{rule}{cross} 的后代中 {goal} 占几分之几？",
)
COUNT_EN = (
    "{rule} The cross {cross} gives {total} offspring. How many are expected to be {goal}?",
    "{cross} are crossed and have {total} offspring. {rule} How many should be {goal}?",
    "{rule} Of {total} offspring of {cross}, how many do you expect to be {goal}?",
    "Expected number of {goal} among {total} offspring of {cross}? {rule}",
)
COUNT_ZH = (
    "{rule}杂交 {cross} 得到 {total} 个后代，预计有多少个是 {goal}？",
    "{cross} 杂交产生 {total} 个后代。{rule}其中 {goal} 的预期数量是多少？",
    "{rule}{cross} 的 {total} 个子代中，理论上 {goal} 有几个？",
    "亲本 {cross}，{rule}{total} 个后代里预计 {goal} 的个数是多少？",
)


@final
class Genetics(Generator):
    name: ClassVar[str] = "genetics"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        genes = _genes(random, GENES[level])
        share = Fraction(1)
        for gene in genes:
            share *= _share(*gene)
        counted = random.random() < (0.8 if level == "easy" else 0.4)
        total = share.denominator * random.randint(*OFFSPRING[level])
        letters = random.sample(LETTERS, len(genes))
        lines, result = genetics_trace(genes, letters), share
        if counted:
            result = share * total
            lines.append(f"{worked(total, '/', share.denominator)}")
            lines.append(worked(total // share.denominator, "*", share.numerator))
        wordings = (COUNT_EN, COUNT_ZH) if counted else (SHARE_EN, SHARE_ZH)
        unlinked = ", the genes are unlinked" if language == "en" else "，各基因独立遗传"
        goal = _goal(genes, letters)
        rule = (RULE_EN if language == "en" else RULE_ZH).format(
            unlinked=unlinked if len(genes) > 1 else "",
            either=(EITHER_EN if language == "en" else EITHER_ZH) if "_" in goal else "",
        )
        parents = (
            "".join(_named(gene[k], letters[i]) for i, gene in enumerate(genes)) for k in (0, 1)
        )
        answer = str(result)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=" ".join("/".join(gene) for gene in sorted(genes))
            + (f" of {total}" if counted else ""),
            messages=conversation(
                pick(random, *wordings, language).format(
                    rule=rule,
                    cross=" × ".join(parents),
                    goal=goal,
                    total=total,
                ),
                "\n".join([*lines, answer]),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


Gene = tuple[str, str, str]
"""Two parents and the goal: `Aa`, `aa`, `A_`."""


def genetics_trace(genes: list[Gene], letters: list[str]) -> list[str]:
    """`Aa×Aa: AA Aa Aa aa / A_: 3/4`, for each gene; then their product."""
    lines, product = [], Fraction(1)
    for (first, second, goal), letter in zip(genes, letters, strict=True):
        pairs = [_named(pair, letter) for pair in _children(first, second)]
        share = _share(first, second, goal)
        fits = sum(_fits(pair, goal) for pair in _children(first, second))
        lines.append(f"{_named(first, letter)}×{_named(second, letter)}: {' '.join(pairs)}")
        lowest = "" if str(share) == f"{fits}/4" else f"={share}"
        line = f"{_named(goal, letter)}: {fits}/4{lowest}"
        if product != 1:
            line += f", {product}*{share}={product * share}"
        lines.append(line)
        product *= share
    return lines


def _genes(random: Random, count: int) -> list[Gene]:
    """Each with a possible goal; that of the first is not certain, of the others mostly not."""
    genes: list[Gene] = []
    while len(genes) < count:
        first, second = (random.choice(("AA", "Aa", "Aa", "Aa", "aa")) for _ in range(2))
        gene = (*sorted((first, second)), random.choice(("AA", "Aa", "aa", "A_")))
        share = _share(*gene)
        if share and (share < 1 or (genes and random.random() < 0.2)):
            genes.append((gene[0], gene[1], gene[2]))
    return genes


def _children(first: str, second: str) -> list[str]:
    return ["".join(sorted(a + b)) for a in first for b in second]


def _fits(pair: str, goal: str) -> bool:
    return "A" in pair if goal == "A_" else pair == goal


def _share(first: str, second: str, goal: str) -> Fraction:
    return Fraction(sum(_fits(pair, goal) for pair in _children(first, second)), 4)


def _named(alleles: str, letter: str) -> str:
    return alleles.replace("A", letter).replace("a", letter.lower())


def _goal(genes: list[Gene], letters: list[str]) -> str:
    return "".join(_named(gene[2], letter) for gene, letter in zip(genes, letters, strict=True))

"""Functions to write that are put together: of a list keep some numbers, change them, sum them up.

Filter, change and end are drawn independently, so there are thousands of such functions, and their
parts are seen apart. At the hard level there are two filters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from naga.tasks.code.inputs import some_integers
from naga.tasks.code.specification import Problem


@dataclass(frozen=True, kw_only=True)
class Part:
    key: str
    source: str
    """An expression of x; of an end, of {items}."""
    english: str
    chinese: str
    apply: Callable[[Any], Any]


def filters(k: int) -> tuple[Part, ...]:
    """The numbers x that are kept."""
    return (
        Part(
            key=f"%{k}",
            source=f"x % {k} == 0",
            english=f"divisible by {k}",
            chinese=f"能被 {k} 整除",
            apply=lambda x: x % k == 0,
        ),
        Part(
            key=f">{k}",
            source=f"x > {k}",
            english=f"greater than {k}",
            chinese=f"大于 {k}",
            apply=lambda x: x > k,
        ),
        Part(
            key=f"<{5 * k}",
            source=f"x < {5 * k}",
            english=f"less than {5 * k}",
            chinese=f"小于 {5 * k}",
            apply=lambda x: x < 5 * k,
        ),
        Part(
            key=f"!{k}",
            source=f"x % {k} != 0",
            english=f"not divisible by {k}",
            chinese=f"不能被 {k} 整除",
            apply=lambda x: x % k != 0,
        ),
    )


def changes(m: int) -> tuple[Part, ...]:
    """What becomes of x."""
    return (
        Part(
            key=f"*{m}",
            source=f"x * {m}",
            english=f"multiply each by {m}",
            chinese=f"每个乘以 {m}",
            apply=lambda x: x * m,
        ),
        Part(
            key=f"+{m}",
            source=f"x + {m}",
            english=f"add {m} to each",
            chinese=f"每个加上 {m}",
            apply=lambda x: x + m,
        ),
        Part(
            key=f"^2+{m}",
            source=f"x * x + {m}",
            english=f"square each and add {m}",
            chinese=f"每个平方后加 {m}",
            apply=lambda x: x * x + m,
        ),
        Part(
            key=f"-{m}",
            source=f"{m} - x",
            english=f"subtract each from {m}",
            chinese=f"用 {m} 减去每个数",
            apply=lambda x: m - x,
        ),
    )


ENDS: tuple[Part, ...] = (
    Part(
        key="list",
        source="{items}",
        english="return the list of the results",
        chinese="返回结果列表",
        apply=list,
    ),
    Part(
        key="sum",
        source="sum({items})",
        english="return the sum of the results",
        chinese="返回结果之和",
        apply=sum,
    ),
    Part(
        key="max",
        source="max({items}, default=0)",
        english="return the largest result, or 0 if there is none",
        chinese="返回最大的结果，没有则返回 0",
        apply=lambda items: max(items, default=0),
    ),
    Part(
        key="min",
        source="min({items}, default=0)",
        english="return the smallest result, or 0 if there is none",
        chinese="返回最小的结果，没有则返回 0",
        apply=lambda items: min(items, default=0),
    ),
    Part(
        key="reversed",
        source="{items}[::-1]",
        english="return the results in reverse order",
        chinese="返回倒序的结果列表",
        apply=lambda items: items[::-1],
    ),
    Part(
        key="sorted",
        source="sorted({items})",
        english="return the results sorted from small to large",
        chinese="返回从小到大排好序的结果",
        apply=sorted,
    ),
)


def compose(random: Random, num_filters: int) -> Problem:
    kept = [random.choice(filters(random.randint(2, 9))) for _ in range(num_filters)]
    while len({part.source[:4] for part in kept}) < num_filters:
        kept = [random.choice(filters(random.randint(2, 9))) for _ in range(num_filters)]
    change = random.choice(changes(random.randint(2, 30)))
    end = random.choice(ENDS)
    condition = " and ".join(part.source for part in kept)
    items = f"[{change.source} for x in items if {condition}]"
    return Problem(
        key=" ".join(part.key for part in (*kept, change, end)),
        english=_english([part.english for part in kept], change.english, end.english),
        chinese=_chinese([part.chinese for part in kept], change.chinese, end.chinese),
        arguments="items",
        inputs=some_integers,
        source=f"    return {end.source.format(items=items)}\n",
        solve=lambda given: end.apply(
            [change.apply(x) for x in given if all(part.apply(x) for part in kept)]
        ),
        steps=f"x in items, {condition}; {change.source}; {end.key}",
    )


def _english(kept: Sequence[str], change: str, end: str) -> tuple[str, ...]:
    condition = " and ".join(kept)
    return (
        f"takes the numbers of items that are {condition}, then does this: {change}, and {end}",
        f"works on the list items: keep the numbers {condition}; {change}; {end}",
    )


def _chinese(kept: Sequence[str], change: str, end: str) -> tuple[str, ...]:
    condition = "且".join(kept)
    return (
        f"取出列表 items 中{condition}的数，{change}，{end}",
        f"处理列表 items：只保留{condition}的数；{change}；{end}",
    )

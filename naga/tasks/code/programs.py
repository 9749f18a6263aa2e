"""Draws small programs: first values, then one or two loops with something in them, then `print`.

Text of a fragment is made with a random operation, number and name, so the same fragment is many
programs. A drawn program may fail or run too long; who asks for one tries it (tracing.py).
"""

from collections.abc import Callable
from random import Random

from naga.tasks.example import Level

Fragment = Callable[[Random], list[str]]
NUMBER_NAMES = ("a", "b", "n", "x", "total")
LETTERS = "abcdeiorst"


def draw_program(random: Random, level: Level) -> str:
    fragments = {"easy": EASY, "medium": MEDIUM, "hard": HARD}[level]
    lines = list[str]()
    for fragment in random.sample(fragments, 2 if level == "hard" else 1):
        lines += fragment(random)
    return "\n".join(lines) + "\n"


def _number(random: Random, most: int = 12) -> int:
    return random.randint(2, most)


def _numbers(random: Random, fewest: int = 3, most: int = 6) -> str:
    return str([random.randint(-9, 20) for _ in range(random.randint(fewest, most))])


def _text(random: Random) -> str:
    return "".join(random.choice(LETTERS) for _ in range(random.randint(3, 6)))


def _change(random: Random, name: str, by: str) -> str:
    """One statement that changes the number of this name."""
    return random.choice((
        f"{name} += {by}",
        f"{name} -= {by}",
        f"{name} = {name} * {_number(random, 3)} + {by}",
        f"{name} = {by} - {name}",
    ))  # fmt: skip


def _condition(random: Random, name: str) -> str:
    k = _number(random, 4)
    return random.choice((
        f"{name} % {k} == {random.randrange(k)}",
        f"{name} > {_number(random)}",
        f"{name} < {_number(random)}",
    ))  # fmt: skip


def straight(random: Random) -> list[str]:
    """Assignments one after the other."""
    first, second = random.sample(NUMBER_NAMES, 2)
    lines = [f"{first} = {_number(random, 30)}", f"{second} = {_number(random, 30)}"]
    for _ in range(random.randint(2, 4)):
        pair = random.sample((first, second), 2)
        by = random.choice((pair[1], str(_number(random))))
        lines.append(_change(random, pair[0], by))
    return [*lines, f"print({first}, {second})"]


def counted(random: Random) -> list[str]:
    """A loop over a range."""
    name = random.choice(NUMBER_NAMES)
    start = random.randint(0, 3)
    bounds = f"{start}, {start + random.randint(2, 5)}"
    return [
        f"{name} = {_number(random, 20)}",
        f"for i in range({bounds}):",
        f"    {_change(random, name, random.choice(('i', 'i * i', f'i + {_number(random)}')))}",
        f"print({name})",
    ]


def branched(random: Random) -> list[str]:
    """A condition."""
    name = random.choice(NUMBER_NAMES)
    return [
        f"{name} = {_number(random, 40)}",
        _change(random, name, str(_number(random))),
        f"if {_condition(random, name)}:",
        f"    {_change(random, name, str(_number(random)))}",
        "else:",
        f"    {_change(random, name, str(_number(random, 30)))}",
        _change(random, name, str(_number(random))),
        f"print({name})",
    ]


def filtered(random: Random) -> list[str]:
    """A loop over a list with a condition."""
    name = random.choice(NUMBER_NAMES[:3])
    out = random.choice((
        ["out = []", f"        out.append({random.choice(('v', f'v * {_number(random, 5)}'))})"],
        [f"out = {_number(random)}", f"        {_change(random, 'out', 'v')}"],
    ))  # fmt: skip
    return [
        f"{name} = {_numbers(random, 4, 7)}",
        out[0],
        f"for v in {name}:",
        f"    if {_condition(random, 'v')}:",
        out[1],
        "print(out)",
    ]


def until(random: Random) -> list[str]:
    """A loop with a condition, and a count."""
    name = random.choice(NUMBER_NAMES[:4])
    shrink = random.choice((f"{name} //= 2", f"{name} -= {_number(random)}", f"{name} //= 3"))
    return [
        f"{name} = {random.randint(20, 90)}",
        "count = 0",
        f"while {name} > {_number(random)}:",
        f"    if {_condition(random, name)}:",
        "        count += 1",
        f"    {shrink}",
        f"print(count, {name})",
    ]


def spelled(random: Random) -> list[str]:
    """A loop over the letters of a text."""
    step = random.choice(("s = c + s", "s = s + c + c", f"s = s + c + '{random.choice('-.*')}'"))
    return [
        f"word = '{_text(random)}'",
        "s = ''",
        "for c in word:",
        f"    {step}",
        random.choice(("print(s)", "print(s, len(s))", f"print(s[{random.randint(1, 2)}:])")),
    ]


def best(random: Random) -> list[str]:
    """The largest or smallest so far, with its place."""
    sign = random.choice("<>")
    return [
        f"items = {_numbers(random, 4, 7)}",
        "best = items[0]",
        "place = 0",
        "for i in range(1, len(items)):",
        f"    if items[i] {sign} best:",
        "        best = items[i]",
        "        place = i",
        "print(best, place)",
    ]


def nested(random: Random) -> list[str]:
    """A loop in a loop."""
    name = random.choice(NUMBER_NAMES[:3])
    inner = random.choice(("i", "2", "3"))
    return [
        f"{name} = {_number(random)}",
        f"for i in range(1, {random.randint(3, 5)}):",
        f"    for j in range({inner}):",
        f"        if {_condition(random, f'(i + {_number(random, 4)} * j)')}:",
        f"            {name} += {random.choice(('i', 'j', 'i * j', str(_number(random))))}",
        f"    {name} = {name} % {random.randint(11, 40)}",
        f"print({name})",
    ]


def sieve(random: Random) -> list[str]:
    """Differences or sums of neighbours, again and again."""
    sign = random.choice("+-")
    return [
        f"row = {_numbers(random, 4, 5)}",
        f"while len(row) > {random.randint(1, 2)}:",
        "    new = []",
        "    for i in range(len(row) - 1):",
        f"        new.append(row[i + 1] {sign} row[i])",
        "    row = new",
        "print(row)",
    ]


EASY: tuple[Fragment, ...] = (straight, counted, branched)
MEDIUM: tuple[Fragment, ...] = (counted, filtered, until, spelled, best)
HARD: tuple[Fragment, ...] = (filtered, until, best, nested, sieve)

"""Arguments to call a made function with: small whole numbers, words, lists of them."""

from random import Random

LETTERS = "abcdeiorst"


def integer(random: Random) -> tuple[int]:
    return (random.randint(-60, 99),)


def two_integers(random: Random) -> tuple[int, int]:
    return random.randint(-60, 99), random.randint(-60, 99)


def integers(random: Random) -> tuple[list[int]]:
    return ([random.randint(-30, 60) for _ in range(random.randint(3, 8))],)


def some_integers(random: Random) -> tuple[list[int]]:
    """May be empty."""
    return ([random.randint(-30, 60) for _ in range(random.choice((0, 3, 4, 5, 6, 7, 8, 9)))],)


def two_lists(random: Random) -> tuple[list[int], list[int]]:
    """Of the same length."""
    length = random.randint(2, 5)
    first, second = ([random.randint(-9, 12) for _ in range(length)] for _ in range(2))
    return first, second


def word(random: Random) -> tuple[str]:
    """Letters, some of them twice in a row."""
    letters = "".join(random.choice(LETTERS) * random.choice((1, 1, 2, 3)) for _ in range(4))
    return (letters[: random.randint(3, 9)],)


def words(random: Random) -> tuple[list[str]]:
    lengths = (random.randint(1, 9) for _ in range(random.randint(3, 7)))
    return (["".join(random.choice(LETTERS) for _ in range(length)) for length in lengths],)

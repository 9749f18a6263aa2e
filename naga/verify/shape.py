r"""What an answer looks like, before anyone computes: refusals of answers that math-verify takes.

`refusal` names what is wrong with an answer as an answer to this gold: work left to do (an
integral for 1/3), the problem's own expression, a chain x=3=4, a set where an interval is wanted,
letters where the gold is something else. `cost` names what would be too expensive to look into.
Both read the text only. An answer that is another unexpanded form of a *non-numeric* gold passes
unless the problem itself is given.
"""

import re

from naga.verify.normalise import compact

MAX_EXPRESSION = 200
MAX_DIGITS = 50
MAX_NUMBER = 25
MAX_DEPTH = 12
MAX_EXPONENT = 10_000
MAX_FACTORIAL = 200

WORK = re.compile(
    r"\\(?:int|iint|iiint|oint|sum|prod|lim|limsup|liminf|det|gcd|lcm|max|min|inf|sup|bmod|pmod|mod)"
    r"(?![A-Za-z])|\\frac\{d\}|\\frac\{d[a-z]|\\frac\{\\partial|\\d?binom|\\operatorname|∫|∑|∏|!"
)
NAME = re.compile(
    r"^(?:(?:\\(?:angle|triangle|overline|alpha|beta|gamma|theta|lambda|mu|sigma|phi|omega)\s*)?"
    r"\{?[A-Za-z]{0,12}\}?(?:_\{?\w{1,8}\}?)?'{0,2}(?:\(\s*-?\w{1,6}\s*(?:,\s*-?\w{1,6}\s*)*\))?)"
    r"\s*(?:=|\\approx|\\in(?![a-z]))\s*(?=\S)"
)
OPERATOR = re.compile(r"[+*/^=]|(?<=[\w)}])-|\\(?:cdot|times|div|frac|sqrt)|\)\(")
BASE = re.compile(r"\d\s*_\s*\{?\s*(\w+)")
LIST_WORDS = re.compile(r"\s*(?:,\s*)?(?:(?<=\s)(?:and|or)(?=\s)|和|或者?|以及|与)\s*")


def without_name(text: str) -> str:
    r"""`x = 4` -> `4`, `f(x) = x + 1` -> `x + 1`; a lone `=` or a formula before it stays."""
    found = NAME.match(text)
    return text[found.end() :] if found and found[0].strip(" =") else text


def as_list(text: str) -> str:
    """`1, 2 and 3` and `1、2或3` -> `1,2,3`."""
    return LIST_WORDS.sub(",", text)


def unnamed(text: str) -> str:
    """The value or values alone: `x = 1 or x = 2` -> `1,2`; of different variables names stay."""
    items = as_list(text).split(",")
    found = [NAME.match(item.strip()) for item in items]
    names = {re.sub(r"_\{?\w+\}?|\d|\s|=", "", match[0]) if match else "" for match in found}
    if len(items) < 2 or len(names) > 1 or not all(names):
        return without_name(text)
    return ",".join(NAME.sub("", item.strip(), count=1) for item in items)


def refusal(gold: str, answer: str, problem: str | None) -> str | None:
    """One line, or None if the answer may be compared; all three normalised, without a name."""
    if work := next((found for found in WORK.findall(answer) if found not in gold), None):
        return f"work left undone: {work}"
    if answer.count("=") > gold.count("="):
        return "a chain of equations or an equation for a value"
    if set(BASE.findall(answer)) - set(BASE.findall(gold)):
        return "a number in another base"
    if brackets(gold) != brackets(answer) and "," in gold and "," in answer:
        return f"{brackets(answer)} where the gold is {brackets(gold)}"
    if problem is not None and restates(answer, problem):
        return "the problem's own expression, unchanged"
    return None


def restates(answer: str, problem: str) -> bool:
    """A compound expression that stands in the problem, whatever its spaces and braces."""
    stripped = _bare(answer)
    return bool(OPERATOR.search(answer)) and len(stripped) > 2 and stripped in _bare(problem)


def _bare(text: str) -> str:
    return re.sub(r"[{}\s]|\\(?:cdot|times)|~|\*", "", compact(text))


def brackets(text: str) -> str:
    r"""What encloses the whole: `(`, `[`, `(]`, `[)`, or none; \{ \} is a plain list."""
    text = re.sub(r"\s", "", text)
    if re.fullmatch(r"[(\[][^()\[\]]*(?:\([^()]*\)[^()\[\]]*)*[)\]]", text):
        return f"an interval or point {text[0]} {text[-1]}"
    return "a list or set"


def cost(text: str) -> str | None:
    """What makes `text` too expensive or malformed to be parsed; None if nothing does."""
    if len(text) > MAX_EXPRESSION:
        return f"{len(text)} characters; {MAX_EXPRESSION} allowed"
    numbers = re.findall(r"\d+", text)
    if sum(map(len, numbers)) > MAX_DIGITS or max(map(len, numbers), default=0) > MAX_NUMBER:
        return "too many digits"
    depth, exponents = _depths(text)
    if depth is None:
        return "unbalanced braces"
    if depth > MAX_DEPTH:
        return f"nested {depth} deep; {MAX_DEPTH} allowed"
    return _tower(text, exponents) or _factorials(text)


def _depths(text: str) -> tuple[int | None, int]:
    """Deepest nesting (None if braces do not match) and deepest nesting of exponents."""
    stack: list[bool] = []
    deepest = tower = 0
    for position, character in enumerate(text):
        raised = text[:position].rstrip().endswith("^")
        if character in "{([":
            stack.append(raised)
            deepest = max(deepest, len(stack))
        elif character in "})]":
            if not stack:
                return None, tower
            stack.pop()
        elif character == "^":
            tower = max(tower, sum(stack) + 1)
    return (None if stack else deepest), tower


def _tower(text: str, exponents: int) -> str | None:
    product = largest = 1
    for group, found in re.findall(r"([)}]?)\s*\^\s*\{?\s*\(?\s*-?\s*(\d+)", text):
        largest = max(largest, int(found))
        product *= max(int(found), 1) if group else 1
    if max(largest, product) > MAX_EXPONENT:
        return "exponents too large"
    numeric = re.search(r"\d\s*[)}]*\s*\^[\s{(]*\d+[)}\s]*\^|\d\s*\^[\s{(]*\d+\s*\^", text)
    if exponents > 2 or (numeric and exponents > 1) or text.count("^") > 12:
        return "a tower of exponents"
    return None


def _factorials(text: str) -> str | None:
    if text.count("!") > 4 or re.search(r"!\s*[)}\]]*\s*!|\^[^!]{0,20}[)}]\s*!", text):
        return "a tower of factorials"
    if any(int(number) > MAX_FACTORIAL for number in re.findall(r"(\d+)\s*[)}]*\s*!", text)):
        return "a factorial too large"
    if "binom" in text and max(map(len, re.findall(r"\d+", text)), default=0) > 4:
        return "a binomial too large"
    return None

"""What stands around an answer: sentences, Markdown, LaTeX, boxes, in English and Chinese.

The same frames are put around right and wrong answers, so that none of them gives a label away.
HELDOUT frames are never trained on.
"""

from random import Random

from naga.tasks.example import Language

ENGLISH = (
    "The answer is {}.",
    "Answer: {}",
    "So the result is {}.",
    "I get {}.",
    "It is {}.",
    "That makes {}.",
    "Therefore, we find {}.",
    "Final answer: {}",
    "{} is the answer.",
    "The solution: {}",
    "Solution: {}. I checked it twice.",
    "I am sure that it is {}, which is correct.",
    "Hence the value asked for equals {}",
    "After some work this comes out as {}.",
    "Thought process: done. Result: {}",
    "We end up with {}, as required.",
    "My answer would be {}.",
    "<answer>{}</answer>",
)
CHINESE = (
    "答案是{}。",
    "答案：{}",
    "所以结果为{}。",
    "等于{}",
    "应该是{}。",
    "因此，我们得到 {}。",
    "最终答案：{}",
    "{}就是答案。",
    "解：{}",
    "经过计算，结果是 {}，验算无误。",
    "我算出来是{}。",
    "综上所述，所求为 {}。",
)
SYMBOLS = (
    "{}",
    "**{}**",
    "= {}",
    r"\boxed{{{}}}",
    r"$\boxed{{{}}}$",
    "$${}$$",
    "#### {}",
    "> {}",
    "### Answer\n{}",
    "**Answer**: {}",
    "**答案**：{}",
    "{} ✓",
    "({})",
    "* {}",
)
HELDOUT_ENGLISH = (
    "Doing the sums, I arrive at {} in the end.",
    "You will want {} here.",
    "In short: {}!",
    "What we were looking for turns out to be {}.",
)
HELDOUT_CHINESE = ("由此可知，要求的就是{}。", "这道题选{}没错。", "算完得到的数是{}哦。")
HELDOUT_SYMBOLS = ('{{"answer": "{}"}}', "| answer | {} |", "<b>{}</b>", "[[{}]]", "=> {}")
LEADS = (
    "Let me work this out step by step.",
    "We go through it line by line.",
    "First, the facts that are given.",
    "让我一步一步来算。",
    "首先整理已知条件。",
    "解：",
)
TAILS = (
    "I hope this helps!",
    "Let me know if you have questions.",
    "This follows from the steps above.",
    "希望对你有帮助！",
    "如有疑问请告诉我。",
    "以上就是全部过程。",
)


def frame(answer: str, random: Random, language: Language, *, heldout: bool) -> str:
    """The answer in a frame; braces in it stay as they are."""
    if heldout:
        words: tuple[str, ...] = HELDOUT_ENGLISH if language == "en" else HELDOUT_CHINESE
        return random.choice((*words, *HELDOUT_SYMBOLS)).format(answer)
    words = ENGLISH if language == "en" else CHINESE
    return random.choice(random.choice((words, SYMBOLS))).format(answer)


def explained(said: str, working: tuple[str, ...], random: Random) -> str:
    """With some working before what is said, or a courtesy after it, or as it is."""
    shape = random.random()
    if shape < 0.45:
        return said
    lead = [random.choice(LEADS)] if random.random() < 0.4 else []
    tail = [random.choice(TAILS)] if shape > 0.85 else []
    lines = [*lead, *working, said, *tail]
    return random.choice(("\n", "\n", "\n\n", " ")).join(lines)

"""Words of propositional logic in en and zh: wordings, and the truth values as they are said."""

from collections.abc import Mapping

from naga.tasks.example import Language

ANSWERS: Mapping[Language, Mapping[str, str]] = {
    "en": {},
    "zh": {"true": "真", "false": "假", "unknown": "未知"},
}
NONE: Mapping[Language, str] = {"en": "none", "zh": "无"}
SAID: Mapping[str, str] = {
    **{"t": "T", "true": "T", "真": "T", "f": "F", "false": "F", "假": "F"},
    **{"unknown": "unknown", "未知": "unknown", "none": "none", "无": "none"},
}
MEANING: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "(¬ not, ∧ and, ∨ or, → if-then, ↔ if and only if; T true, F false.)",
        "Here ¬ means not, ∧ and, ∨ or, → implies, ↔ exactly if; T is true and F is false.",
    ),
    "zh": (
        "（¬ 非，∧ 且，∨ 或，→ 若则，↔ 当且仅当；T 为真，F 为假。）",
        "其中 ¬ 表示非，∧ 表示且，∨ 表示或，→ 表示蕴含，↔ 表示等价；T 是真，F 是假。",
    ),
}
GIVEN: Mapping[Language, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "values": ("Let {given}.", "Given are the truth values {given}.", "{given}."),
        "entailment": ("Suppose that these are true: {given}.", "Premises: {given}."),
        "models": ("Consider these formulas:\n{given}", "Formulas:\n{given}"),
    },
    "zh": {
        "values": ("设 {given}。", "已知真值 {given}。", "{given}。"),
        "entailment": ("假设下列命题都为真：{given}。", "前提：{given}。"),
        "models": ("考虑下列公式：\n{given}", "公式：\n{given}"),
    },
}
ASKS: Mapping[Language, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "values": (
            "What are the truth values of these formulas? Answer with T or F for each, in order, "
            "separated by commas.\n{asked}",
            "Evaluate each formula. Write T or F for each, with commas between.\n{asked}",
        ),
        "entailment": (
            "Is each of the following true, false, or unknown? Answer in order, separated by "
            "commas.\n{asked}",
            "Say of each whether it must be true, must be false, or is unknown, with commas "
            "between.\n{asked}",
        ),
        "models": (
            "Which values of {asked} (in this order) make all of them true? List every "
            "possibility as letters like TFT, separated by commas; write none if there is none.",
            "Find all assignments of {asked} that satisfy every formula. Write each as letters T "
            "and F in this order, with commas between, or none.",
        ),
    },
    "zh": {
        "values": (
            "下列公式的真值是什么？按顺序对每个回答 T 或 F，用逗号隔开。\n{asked}",
            "求每个公式的值，依次写 T 或 F，用逗号分开。\n{asked}",
        ),
        "entailment": (
            "下列命题是真、假还是未知？按顺序回答，用逗号隔开。\n{asked}",
            "判断每个命题必为真、必为假还是未知，用逗号分开。\n{asked}",
        ),
        "models": (
            "{asked}（按此顺序）取哪些值时所有公式都为真？列出全部可能，每个写成 TFT 这样的字母，"
            "用逗号隔开；没有则写“无”。",
            "找出使每个公式都成立的 {asked} 的全部赋值，按此顺序用字母 T 和 F 写出，逗号分开；"
            "没有则写“无”。",
        ),
    },
}


def read_answer(word: str) -> str:
    """A word of a reply, in lower case, as gold has it; rows of letters are put in upper case."""
    return SAID.get(word, word.upper())

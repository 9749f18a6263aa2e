"""Words of retrieval in en and zh: things that have codes, sentences that say so, questions.

Both languages list the same things in the same order, so a problem has one canonical form.
"""

from collections.abc import Mapping

from naga.tasks.example import Language

ADJECTIVES: Mapping[Language, tuple[str, ...]] = {
    "en": (
        *("red", "blue", "green", "white", "yellow", "black", "old", "new", "small", "large"),
        *("round", "square", "heavy", "broken", "golden", "wooden"),
    ),
    "zh": (
        *(
            "红色的",
            "蓝色的",
            "绿色的",
            "白色的",
            "黄色的",
            "黑色的",
            "旧的",
            "新的",
            "小的",
            "大的",
        ),
        *("圆的", "方的", "沉重的", "破的", "金色的", "木头的"),
    ),
}
THINGS: Mapping[Language, tuple[str, ...]] = {
    "en": (
        *("safe", "trunk", "drawer", "locker", "vault", "casket", "cabinet", "crate", "barrel"),
        *("chest", "jar", "envelope", "folder", "pouch", "bucket", "tin"),
    ),
    "zh": (
        *("保险箱", "行李箱", "抽屉", "储物柜", "金库", "首饰盒", "柜子", "板条箱", "木桶"),
        *("宝箱", "罐子", "信封", "文件夹", "小袋", "水桶", "铁盒"),
    ),
}
HAS_CODE: Mapping[Language, tuple[str, ...]] = {
    "en": ("The code of the {what} is {code}.", "{code} is the code of the {what}."),
    "zh": ("{what}的密码是{code}。", "{code}是{what}的密码。"),
}
LEADS: Mapping[Language, tuple[str, ...]] = {
    "en": ("The note in the {what} says: go to the {next}.",),
    "zh": ("{what}里的纸条写着：去找{next}。",),
}
ENDS: Mapping[Language, tuple[str, ...]] = {
    "en": ("The note in the {what} says: the code is {code}.",),
    "zh": ("{what}里的纸条写着：密码是{code}。",),
}
ASK_CODES: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "What is the code of {what}? Answer with the code alone.",
        "Find the code of {what} in the text. Write nothing else.",
        "Which code does the text give for {what}? Only the code, please.",
    ),
    "zh": (
        "{what}的密码是什么？只回答密码。",
        "在文中找出{what}的密码，不要写别的。",
        "文中给出的{what}的密码是多少？只写密码。",
    ),
}
IN_ORDER: Mapping[Language, str] = {
    "en": " Keep this order and separate by commas.",
    "zh": "按此顺序写，用逗号隔开。",
}
OTHERWISE: Mapping[Language, tuple[str, ...]] = {
    "en": (' If it is not there, answer "not found".', ' Say "not found" if there is none.'),
    "zh": ("如果没有，回答“找不到”。", "没有的话就写“找不到”。"),
}
ASK_END: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "Begin with the {what} and follow the notes. Which code do you reach? Answer with the code "
        "alone.",
        "Where do the notes lead that begin in the {what}? Give only the code at the end.",
        "Start at the {what}. Go from note to note to the code, and write that code only.",
    ),
    "zh": (
        "从{what}开始，按纸条一步步找下去，最后的密码是什么？只回答密码。",
        "从{what}里的纸条出发会找到哪个密码？只写密码。",
        "起点是{what}，跟着纸条走到密码为止，只写出那个密码。",
    ),
}
ASK_VALUE: Mapping[Language, tuple[str, ...]] = {
    "en": (
        'What is the value of "{key}"? Answer with the value alone.',
        "Look up {key}. Write only its value.",
        "Which value belongs to the key {key}?",
    ),
    "zh": (
        "“{key}”的值是什么？只回答这个值。",
        "查找 {key}，只写它的值。",
        "键 {key} 对应的值是多少？",
    ),
}
NOT_FOUND: Mapping[Language, str] = {"en": "not found", "zh": "找不到"}
AND: Mapping[Language, str] = {"en": " and ", "zh": "和"}
THE: Mapping[Language, str] = {"en": "the {}", "zh": "{}"}
LAYOUTS: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "{document}\n\n{question}",
        "Read this text:\n{document}\n\n{question}",
        "{question}\n\nText:\n{document}",
        "Document:\n{document}\n\nQuestion: {question}",
    ),
    "zh": (
        "{document}\n\n{question}",
        "阅读下面的文字：\n{document}\n\n{question}",
        "{question}\n\n原文：\n{document}",
        "文档：\n{document}\n\n问题：{question}",
    ),
}

"""Words of tool use in en and zh: what there is to look up, how it is asked, how it is answered.

Both languages list the same things in the same order, so a problem has one canonical form.
"""

from collections.abc import Mapping

from naga.tasks.example import Language

ITEMS: Mapping[Language, tuple[str, ...]] = {
    "en": (
        *("pen", "cup", "lamp", "chair", "clock", "bag", "hat", "book", "knife", "rope", "brush"),
        *("bell", "towel", "plate", "box", "kettle"),
    ),
    "zh": (
        *("钢笔", "杯子", "台灯", "椅子", "时钟", "背包", "帽子", "书", "小刀", "绳子", "刷子"),
        *("铃铛", "毛巾", "盘子", "盒子", "水壶"),
    ),
}
PEOPLE: Mapping[Language, tuple[str, ...]] = {
    "en": ("Ann", "Bob", "Cid", "Dora", "Eve", "Finn", "Gus", "Hana", "Ivy", "Jack", "Kim", "Leo"),
    "zh": (
        *("小安", "小白", "小陈", "小丁", "小方", "小高"),
        *("小何", "小江", "小柯", "小林", "小马", "小宁"),
    ),
}
TABLES: Mapping[Language, Mapping[str, str]] = {
    "en": {"price": "price", "stock": "stock", "manager": "manager", "room": "room"},
    "zh": {"price": "价格", "stock": "库存", "manager": "经理", "room": "房间"},
}
SYSTEMS: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "You can call tools:\n<tools>\n{tools}\n</tools>\nTo call one, write\n<tool_call>\n"
        '{{"name": NAME, "arguments": {{...}}}}\n</tool_call>\nand wait for its answer.',
        "Tools:\n<tools>\n{tools}\n</tools>\nA call is written as\n<tool_call>\n"
        '{{"name": NAME, "arguments": {{...}}}}\n</tool_call>\nand answered in <tool_response>.',
    ),
    "zh": (
        "你可以调用工具：\n<tools>\n{tools}\n</tools>\n要调用时请写\n<tool_call>\n"
        '{{"name": 名称, "arguments": {{...}}}}\n</tool_call>\n然后等待结果。',
        "工具：\n<tools>\n{tools}\n</tools>\n调用的写法是\n<tool_call>\n"
        '{{"name": 名称, "arguments": {{...}}}}\n</tool_call>\n结果在 <tool_response> 中给出。',
    ),
}
DESCRIPTIONS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "calculator": "Computes an arithmetic expression.",
        "expression": "like 3*(4+5)",
        "lookup": "Looks a key up in a table. Tables: {tables}.",
        "table": "its name",
        "key": "what to look up",
    },
    "zh": {
        "calculator": "计算一个算式。",
        "expression": "例如 3*(4+5)",
        "lookup": "在表中查一项。表有：{tables}。",
        "table": "表名",
        "key": "要查的项",
    },
}
ASKS: Mapping[Language, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "compute": ("What is {what}?", "Compute {what}.", "{what} = ?"),
        "price": ("What is the price of one {a}?", "How much does a {a} cost?"),
        "bill": (
            "What do {n} of {a} and {m} of {b} cost together?",
            "I buy {n} times {a} and {m} times {b}. What do I pay in all?",
        ),
        "worth": (
            "What is the whole stock of {a} worth (price times stock)?",
            "How much are all {a} in stock worth together?",
        ),
        "gap": (
            "By how much does one {a} cost more than one {b}? Give a negative number if less.",
            "What is the price of {a} minus the price of {b}?",
        ),
        "boss": (
            "In which room sits the manager of {a}?",
            "What is the room of {a}'s manager?",
        ),
        "grand_boss": (
            "In which room sits the manager of the manager of {a}?",
            "Find the room of the manager of {a}'s manager.",
        ),
    },
    "zh": {
        "compute": ("{what} 等于多少？", "计算 {what}。", "{what} = ?"),
        "price": ("一个{a}的价格是多少？", "{a}多少钱一个？"),
        "bill": ("{n}个{a}和{m}个{b}一共多少钱？", "我买{n}个{a}和{m}个{b}，总共要付多少？"),
        "worth": ("{a}的全部库存值多少钱（价格乘库存）？", "库存里所有{a}一共值多少？"),
        "gap": ("{a}的单价比{b}贵多少？便宜则写负数。", "{a}的价格减去{b}的价格是多少？"),
        "boss": ("{a}的经理在哪个房间？", "{a}的经理的房间是几号？"),
        "grand_boss": ("{a}的经理的经理在哪个房间？", "找出{a}的经理的经理的房间。"),
    },
}
ANSWER_ONLY: Mapping[Language, tuple[str, ...]] = {
    "en": (" Answer with the number alone.", " Give just the number in the end."),
    "zh": ("最后只回答数字。", "只写出数字。"),
}

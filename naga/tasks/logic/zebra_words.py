"""Words of zebra puzzles in en and zh: categories, their values, and how clues are said.

Both languages list the same categories and values in the same order, so a puzzle has one canonical
form. No value appears in two categories. `{}` in a phrase is the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from naga.tasks.example import Language
from naga.tasks.logic.zebra_clues import Kind


@dataclass(frozen=True, kw_only=True)
class Category:
    label: str
    """The key in the answer."""
    values: tuple[str, ...]
    phrase: str
    """The inhabitant who has the value."""
    listed: str
    """The line of the puzzle that lists the values."""


CATEGORIES: Mapping[Language, tuple[Category, ...]] = {
    "en": (
        Category(
            label="Name",
            values=("Alice", "Bob", "Clara", "David", "Emma", "Frank", "Grace", "Henry"),
            phrase="{}",
            listed="Each person has a different name: {}",
        ),
        Category(
            label="Color",
            values=("red", "blue", "green", "white", "yellow", "purple", "black", "pink"),
            phrase="the person who loves {}",
            listed="Each person has a different favorite color: {}",
        ),
        Category(
            label="Pet",
            values=("cat", "dog", "bird", "fish", "horse", "rabbit", "turtle", "goat"),
            phrase="the owner of the {}",
            listed="Each person keeps a different pet: {}",
        ),
        Category(
            label="Drink",
            values=("tea", "coffee", "milk", "water", "juice", "cola", "cocoa", "beer"),
            phrase="the {} drinker",
            listed="Each person drinks something different: {}",
        ),
        Category(
            label="Job",
            values=("doctor", "teacher", "baker", "farmer", "painter", "lawyer", "cook", "pilot"),
            phrase="the {}",
            listed="Each person has a different job: {}",
        ),
        Category(
            label="Food",
            values=("pizza", "soup", "rice", "noodles", "salad", "bread", "stew", "cake"),
            phrase="the person who eats {}",
            listed="Each person eats something different for lunch: {}",
        ),
    ),
    "zh": (
        Category(
            label="姓名",
            values=("小明", "小红", "李华", "王芳", "张伟", "刘洋", "陈静", "赵强"),
            phrase="{}",
            listed="每个人的名字不同：{}",
        ),
        Category(
            label="颜色",
            values=("红色", "蓝色", "绿色", "白色", "黄色", "紫色", "黑色", "粉色"),
            phrase="喜欢{}的人",
            listed="每个人喜欢的颜色不同：{}",
        ),
        Category(
            label="宠物",
            values=("猫", "狗", "鸟", "鱼", "马", "兔子", "乌龟", "山羊"),
            phrase="养{}的人",
            listed="每个人养的宠物不同：{}",
        ),
        Category(
            label="饮料",
            values=("茶", "咖啡", "牛奶", "水", "果汁", "可乐", "可可", "啤酒"),
            phrase="喝{}的人",
            listed="每个人喝的饮料不同：{}",
        ),
        Category(
            label="职业",
            values=("医生", "老师", "面包师", "农民", "画家", "律师", "厨师", "飞行员"),
            phrase="那位{}",
            listed="每个人的职业不同：{}",
        ),
        Category(
            label="食物",
            values=("披萨", "汤", "米饭", "面条", "沙拉", "面包", "炖菜", "蛋糕"),
            phrase="午饭吃{}的人",
            listed="每个人午饭吃的不同：{}",
        ),
    ),
}

CLUES: Mapping[Language, Mapping[Kind, tuple[str, ...]]] = {
    "en": {
        "at": ("{a} lives in house {n}.", "House {n} is the home of {a}."),
        "not_at": ("{a} does not live in house {n}.", "{a} is not in house {n}."),
        "same": ("{a} is {b}.", "{a} and {b} are one and the same."),
        "different": ("{a} is not {b}.", "{a} and {b} are not the same person."),
        "left": ("{a} lives directly left of {b}.", "{a} is the left neighbor of {b}."),
        "before": ("{a} lives somewhere to the left of {b}.", "{b} is to the right of {a}."),
        "next": ("{a} and {b} live next to each other.", "{a} is a direct neighbor of {b}."),
        "between": (
            "There are exactly {n} houses between {a} and {b}.",
            "Between {a} and {b} stand {n} houses.",
        ),
    },
    "zh": {
        "at": ("{a}住在{n}号房。", "{n}号房里住着{a}。"),
        "not_at": ("{a}不住在{n}号房。", "{n}号房里住的不是{a}。"),
        "same": ("{a}就是{b}。", "{a}和{b}是同一个人。"),
        "different": ("{a}不是{b}。", "{a}和{b}不是同一个人。"),
        "left": ("{a}住在{b}左边的隔壁。", "{a}紧挨着住在{b}的左边。"),
        "before": ("{a}住在{b}左边的某处。", "{b}住在{a}的右边。"),
        "next": ("{a}和{b}住在隔壁。", "{a}与{b}相邻。"),
        "between": ("{a}和{b}之间正好隔着{n}座房子。", "{a}与{b}中间有{n}座房子。"),
    },
}
ONE_BETWEEN: Mapping[Language, tuple[str, ...]] = {
    "en": ("There is exactly one house between {a} and {b}.", "One house separates {a} and {b}."),
    "zh": ("{a}和{b}之间正好隔着一座房子。", "{a}与{b}中间有一座房子。"),
}

HOUSE: Mapping[Language, str] = {"en": "House {}", "zh": "{}号房"}
COMMA: Mapping[Language, str] = {"en": ", ", "zh": "、"}
LAYOUTS: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "There are {n} houses in a row, numbered 1 to {n} from left to right. One person lives in "
        "each.\n{lists}\nClues:\n{clues}\n{ask}",
        "{n} people live in {n} houses in a row, houses 1 to {n} from left to right.\n{lists}\n"
        "These clues are true:\n{clues}\n{ask}",
        "Solve this logic puzzle. Houses 1 to {n} stand side by side from left to right, with one "
        "person in each.\n{lists}\n\n{clues}\n\n{ask}",
    ),
    "zh": (
        "有{n}座房子排成一排，从左到右编号为1到{n}，每座房子住一个人。\n{lists}\n线索：\n{clues}\n{ask}",
        "{n}个人住在一排{n}座房子里，从左到右是1号到{n}号。\n{lists}\n已知：\n{clues}\n{ask}",
        "请解下面的逻辑题。从左到右有1号到{n}号房子，每座住一个人。\n{lists}\n\n{clues}\n\n{ask}",
    ),
}
ASKS: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "Who and what is in each house? Answer with JSON like {example}.",
        "Fill in every house. Write only JSON of the form {example}.",
    ),
    "zh": (
        "每座房子里是什么？请用 JSON 回答，形式如 {example}。",
        "请填出每座房子，只写 JSON，形式为 {example}。",
    ),
}

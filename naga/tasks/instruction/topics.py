"""Topics to write about in en and zh: words that belong to each, and sentences that name it.

Sentences have no commas and no quote marks, and each holds its topic's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from naga.tasks.example import Language


@dataclass(frozen=True, kw_only=True)
class Topic:
    name: str
    words: tuple[str, ...]
    sentences: tuple[str, ...]


TOPICS: Mapping[Language, tuple[Topic, ...]] = {
    "en": (
        Topic(
            name="cats",
            words=("whiskers", "kitten", "purring", "paws", "curiosity"),
            sentences=(
                "Most cats sleep for more than half of the day.",
                "Many cats like a high place from which they can watch a room.",
                "Quiet cats are good company in a small flat.",
                "Young cats learn to hunt by playing with each other.",
                "Some cats open doors without any help.",
                "House cats need fresh water and a clean corner.",
            ),
        ),
        Topic(
            name="rain",
            words=("umbrella", "puddle", "thunder", "clouds", "river"),
            sentences=(
                "Steady rain fills the wells of the whole valley.",
                "After the rain the streets smell of earth.",
                "Farmers wait for rain in early spring.",
                "Cold rain turns into snow when the air is cold enough.",
                "Heavy rain can wash away a road in one night.",
                "Light rain is hardly heard on the roof.",
            ),
        ),
        Topic(
            name="bread",
            words=("flour", "oven", "yeast", "crust", "butter"),
            sentences=(
                "Fresh bread needs little more than flour and time.",
                "Dark bread stays soft for several days.",
                "Every town has its own kind of bread.",
                "Good bread sounds hollow when you knock on it.",
                "Old bread makes a fine soup.",
                "People have baked bread for thousands of years.",
            ),
        ),
        Topic(
            name="trains",
            words=("station", "ticket", "tunnel", "platform", "whistle"),
            sentences=(
                "Fast trains connect the largest cities of the country.",
                "Night trains let you wake up at the sea.",
                "Freight trains carry coal and timber.",
                "Late trains make people talk to each other.",
                "Mountain trains climb slowly but surely.",
                "Electric trains are quieter than the old ones.",
            ),
        ),
        Topic(
            name="music",
            words=("violin", "rhythm", "concert", "melody", "choir"),
            sentences=(
                "Slow music helps some people to fall asleep.",
                "Children learn music by singing together.",
                "Live music fills the square on summer nights.",
                "Old music was often written for dancing.",
                "Loud music is no friend of the neighbors.",
                "Simple music can stay in the mind for years.",
            ),
        ),
        Topic(
            name="gardens",
            words=("roses", "shovel", "seeds", "fence", "compost"),
            sentences=(
                "Small gardens can feed a whole family.",
                "Wild gardens are full of bees.",
                "Roof gardens keep a house cool.",
                "School gardens teach patience.",
                "In winter gardens rest under the snow.",
                "Public gardens open before sunrise.",
            ),
        ),
        Topic(
            name="maps",
            words=("compass", "scale", "border", "island", "legend"),
            sentences=(
                "Old maps show towns that are no longer there.",
                "Good maps leave out most of what there is.",
                "Sailors drew maps of every coast.",
                "Paper maps never run out of power.",
                "Some maps put the south at the top.",
                "Weather maps change from hour to hour.",
            ),
        ),
        Topic(
            name="tea",
            words=("leaves", "kettle", "steam", "sugar", "porcelain"),
            sentences=(
                "Green tea is made with water that does not boil.",
                "Hot tea warms cold hands.",
                "Strong tea keeps the night watch awake.",
                "In many houses tea is offered to every guest.",
                "Good tea needs only a few minutes.",
                "Iced tea tastes best in the shade.",
            ),
        ),
    ),
    "zh": (
        Topic(
            name="猫",
            words=("胡须", "小爪子", "呼噜", "尾巴", "好奇心"),
            sentences=(
                "大多数猫一天要睡半天以上。",
                "许多猫喜欢待在高处看着房间。",
                "安静的猫是小屋里的好伙伴。",
                "小时候的猫通过玩耍学会捕猎。",
                "有些猫不用帮忙就会开门。",
                "家里的猫需要清水和干净的角落。",
            ),
        ),
        Topic(
            name="雨",
            words=("雷声", "水坑", "乌云", "河流", "屋檐"),
            sentences=(
                "绵绵的雨灌满了整个山谷的水井。",
                "下过雨的街道有泥土的气味。",
                "农民在早春等待着雨。",
                "天气够冷的时候雨会变成雪。",
                "一夜大雨可以冲毁一条路。",
                "小雨落在屋顶上几乎听不见。",
            ),
        ),
        Topic(
            name="面包",
            words=("面粉", "烤箱", "酵母", "黄油", "麦子"),
            sentences=(
                "新鲜的面包只需要面粉和时间。",
                "黑面包放几天还是软的。",
                "每个城镇都有自己的面包。",
                "好的面包敲起来声音是空的。",
                "旧面包可以煮成一锅好汤。",
                "人们烤面包已经有几千年了。",
            ),
        ),
        Topic(
            name="火车",
            words=("车站", "车票", "隧道", "站台", "汽笛"),
            sentences=(
                "快速的火车连接着全国的大城市。",
                "夜里的火车让你在海边醒来。",
                "运货的火车装着煤和木材。",
                "晚点的火车让人们聊起天来。",
                "山里的火车爬得慢却很稳。",
                "电力火车比老式的安静。",
            ),
        ),
        Topic(
            name="音乐",
            words=("小提琴", "节奏", "音乐会", "旋律", "合唱团"),
            sentences=(
                "缓慢的音乐帮助一些人入睡。",
                "孩子们一起唱歌学习音乐。",
                "夏夜的广场上充满了音乐。",
                "古老的音乐常常是为跳舞写的。",
                "太响的音乐会打扰邻居。",
                "简单的音乐能在心里留很多年。",
            ),
        ),
        Topic(
            name="花园",
            words=("玫瑰", "铲子", "种子", "篱笆", "肥料"),
            sentences=(
                "小小的花园能养活一家人。",
                "野生的花园里到处是蜜蜂。",
                "屋顶的花园让房子凉快。",
                "学校的花园教人耐心。",
                "冬天的花园在雪下休息。",
                "公共的花园在日出前开门。",
            ),
        ),
        Topic(
            name="地图",
            words=("指南针", "比例尺", "边界", "岛屿", "图例"),
            sentences=(
                "旧地图上有已经消失的城镇。",
                "好的地图省略了大部分东西。",
                "水手们画下了每一段海岸的地图。",
                "纸做的地图永远不会没电。",
                "有的地图把南方放在上面。",
                "天气地图每个小时都在变。",
            ),
        ),
        Topic(
            name="茶",
            words=("茶叶", "水壶", "蒸汽", "瓷杯", "清香"),
            sentences=(
                "绿茶要用没有烧开的水来泡。",
                "热茶能暖和冰冷的手。",
                "浓茶让守夜的人保持清醒。",
                "很多人家用茶招待每位客人。",
                "好茶只需要几分钟。",
                "冰茶在树荫下最好喝。",
            ),
        ),
    ),
}

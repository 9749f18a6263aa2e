"""Words for made-up documents, en and zh: contract clauses and questions by topic, and stories.

A pattern holds slots in braces. `{a}` and `{b}` are the two parties of a contract and stay the same
throughout it; every other slot is drawn anew. Each clause says one thing about its topic and stays
clear of the other topics. Does not know about questions to quote (quoting.py).
"""

import re
from dataclasses import dataclass

from naga.tasks.example import Language


@dataclass(frozen=True, kw_only=True)
class Topic:
    label: str
    """Its short name, used in the trace."""
    asks: tuple[str, ...]
    """Indirect questions: "which law governs the agreement"."""
    patterns: tuple[str, ...]
    tell: str = ""
    """A regular expression that finds the topic in real text; empty = never looked for there."""

    def is_told_in(self, text: str) -> bool:
        return bool(self.tell) and re.search(self.tell, text, re.IGNORECASE) is not None


TOPICS_EN = (
    Topic(
        label="governing law",
        asks=(
            "which law governs this agreement",
            "what law applies",
            "which law is the governing law",
        ),
        patterns=(
            "This Agreement shall be governed by the laws of {state}.",
            "This Agreement is governed by and construed in accordance with the law of {state}.",
            "The laws of {state} govern this Agreement and any matter arising from it.",
        ),
        tell=r"\bgoverned by\b.*\blaws?\b|\blaws? of\b.*\bgoverns?\b",
    ),
    Topic(
        label="term",
        asks=("how long this agreement lasts", "what the term of the agreement is"),
        patterns=(
            "The term of this Agreement is {number} years from {date}.",
            "This Agreement begins on {date} and remains in force for {number} years.",
            "This Agreement shall continue for a period of {number} months from {date}.",
        ),
        tell=r"\bterm of this agreement\b|\bshall (continue|remain) in (full )?(force|effect)\b",
    ),
    Topic(
        label="termination",
        asks=("how the agreement can be ended", "when a party may terminate", "who may terminate"),
        patterns=(
            "Either party may terminate this Agreement by giving {number} days' written notice.",
            "{a} may terminate this Agreement if {b} fails to cure a breach within {number} days.",
            "{b} may end this Agreement at any time with {number} days' notice to {a}.",
        ),
        tell=r"\bmay (immediately )?terminate\b",
    ),
    Topic(
        label="payment",
        asks=("when payment is due", "how much has to be paid", "what the price is"),
        patterns=(
            "{b} shall pay {a} {amount} within {number} days of receiving an invoice.",
            "The price for the {goods} is {amount}, payable on {date}.",
            "{b} shall pay a fee of {amount} at the end of each month.",
        ),
        tell=r"\bshall pay\b",
    ),
    Topic(
        label="late payment",
        asks=("what happens if payment is late", "what interest is charged"),
        patterns=(
            "Any overdue sum bears interest at {number} percent per year.",
            "If an invoice is overdue, {b} shall owe interest of {number} percent per month.",
        ),
        tell=r"\bbears? interest\b|\binterest at (a|the) rate\b",
    ),
    Topic(
        label="confidentiality",
        asks=(
            "what is confidential",
            "what must be kept secret",
            "who must keep information secret",
        ),
        patterns=(
            "Each party shall keep the other party's information confidential for {number} years.",
            "{b} shall not disclose the confidential information of {a} to any third party.",
            "All {papers} exchanged under this Agreement are confidential.",
        ),
        tell=r"\bconfidential\b",
    ),
    Topic(
        label="assignment",
        asks=("whether the agreement can be assigned", "who may assign the agreement"),
        patterns=(
            "{b} may not assign this Agreement without the prior written consent of {a}.",
            "Neither party may assign its rights under this Agreement to a third party.",
        ),
        tell=r"\b(may|shall|not) (not )?assign\b",
    ),
    Topic(
        label="notices",
        asks=("where notices must be sent", "how notices are given"),
        patterns=(
            "Notices must be sent in writing to {a} at {address}.",
            "All notices to {b} shall be delivered by {mail} to {address}.",
        ),
        tell=r"\ball notices\b|\bnotices? (shall|must) be (in writing|sent|delivered)\b",
    ),
    Topic(
        label="liability",
        asks=("how liability is limited", "what the limit of liability is"),
        patterns=(
            "The total liability of {a} shall not exceed {amount}.",
            "Neither party is liable for indirect damages or lost profits above {amount}.",
        ),
        tell=r"\bliability\b.*\bexceed\b|\b(be|is) liable\b",
    ),
    Topic(
        label="force majeure",
        asks=(
            "what happens in case of force majeure",
            "what applies if there is an earthquake or war",
        ),
        patterns=(
            "Neither party is responsible for delays caused by {disaster}, {disaster} or other "
            "events beyond its control.",
            "In the event of force majeure such as {disaster}, the affected duties are suspended "
            "for up to {number} days.",
        ),
        tell=r"\bforce majeure\b",
    ),
    Topic(
        label="disputes",
        asks=("how disputes are settled", "where disputes are decided"),
        patterns=(
            "Any dispute shall be settled by arbitration in {city}.",
            "The courts of {city} have exclusive jurisdiction over all disputes.",
            "Disputes shall first be submitted to mediation in {city} for {number} days.",
        ),
        tell=r"\barbitrat|\bexclusive jurisdiction\b",
    ),
    Topic(
        label="amendment",
        asks=("how the agreement can be changed", "how the agreement is amended"),
        patterns=(
            "This Agreement may be amended only in writing signed by {a} and {b}.",
            "No change to this Agreement is valid unless both parties sign it.",
        ),
        tell=r"\b(may|shall|can) (not )?be (amended|modified)\b",
    ),
    Topic(
        label="entire agreement",
        asks=("whether earlier agreements still count", "what the entire agreement is"),
        patterns=(
            "This document is the entire agreement and replaces all earlier {papers}.",
            "This Agreement constitutes the entire agreement between {a} and {b}.",
        ),
        tell=r"\bentire (agreement|understanding)\b",
    ),
    Topic(
        label="warranty",
        asks=("what is warranted", "how long the warranty lasts", "what the warranty is"),
        patterns=(
            "{a} warrants that the {goods} will be free from defects for {number} months.",
            "The warranty for the {goods} ends {number} months after delivery.",
        ),
        tell=r"\bwarrants that\b",
    ),
    Topic(
        label="delivery",
        asks=("when the goods are delivered", "where the goods are delivered"),
        patterns=(
            "{a} shall deliver the {goods} to {city} no later than {date}.",
            "Delivery of the {goods} takes place at {address} on {date}.",
        ),
    ),
    Topic(
        label="insurance",
        asks=("what insurance is required", "who must be insured"),
        patterns=(
            "{b} shall maintain insurance of at least {amount} during the term.",
            "{a} must carry insurance against {disaster} with a limit of {amount}.",
        ),
        tell=r"\b(maintain|carry|obtain)\b.*\binsurance\b",
    ),
    Topic(
        label="audit",
        asks=("who may inspect the books", "how audits are done"),
        patterns=(
            "{a} may audit the records of {b} once a year on {number} days' notice.",
            "{b} shall keep its books for {number} years and open them to auditors.",
        ),
        tell=r"\bbooks and records\b|\bright to audit\b",
    ),
    Topic(
        label="renewal",
        asks=("how the agreement is renewed", "whether the agreement renews"),
        patterns=(
            "This Agreement renews automatically for {number} more years unless a party objects.",
            "{b} may renew this Agreement once for {number} further months.",
        ),
        tell=r"\bautomatically renew|\brenew(ed|s)? automatically\b",
    ),
    Topic(
        label="competition",
        asks=("what competition is forbidden", "how long competing is forbidden"),
        patterns=(
            "{b} shall not compete with {a} in {city} for {number} years.",
            "For {number} months, {b} shall not work for any competitor of {a}.",
        ),
        tell=r"\bshall not\b.*\bcompet",
    ),
    Topic(
        label="ownership",
        asks=("who owns the results of the work", "who owns the intellectual property"),
        patterns=(
            "All intellectual property in the {goods} belongs to {a}.",
            "{a} owns all {papers} created in the course of the work.",
        ),
        tell=r"\bintellectual property\b.*\b(owned|belong|property of)\b",
    ),
)

TOPICS_ZH = (
    Topic(
        label="适用法律",
        asks=("本合同适用什么法律", "适用哪里的法律"),
        patterns=("本合同适用{state}法律。", "本合同的订立、解释和履行均受{state}法律管辖。"),
    ),
    Topic(
        label="合同期限",
        asks=("合同期限是多久", "合同什么时候生效、有效多久"),
        patterns=(
            "本合同自{date}起生效，有效期为{number}年。",
            "合同期限为{number}个月，自{date}起计算。",
        ),
    ),
    Topic(
        label="解除合同",
        asks=("怎样解除合同", "谁可以解除合同"),
        patterns=(
            "任何一方可提前{number}日书面通知对方解除本合同。",
            "{b}违约且在{number}日内未改正的，{a}有权解除本合同。",
        ),
    ),
    Topic(
        label="付款",
        asks=("什么时候付款", "应该付多少钱"),
        patterns=(
            "{b}应在收到发票后{number}日内向{a}支付{amount}。",
            "{goods}的总价为{amount}，于{date}前付清。",
        ),
    ),
    Topic(
        label="逾期利息",
        asks=("付款逾期怎么办", "逾期要付多少利息"),
        patterns=(
            "逾期款项按每年百分之{number}计收利息。",
            "{b}逾期的，每日加收百分之{number}的滞纳金。",
        ),
    ),
    Topic(
        label="保密",
        asks=("什么内容需要保密", "保密义务是什么"),
        patterns=(
            "双方应对{papers}保密，保密期为{number}年。",
            "未经{a}同意，{b}不得向第三人泄露{papers}。",
        ),
    ),
    Topic(
        label="转让",
        asks=("合同能不能转让", "权利可否转让"),
        patterns=("未经{a}书面同意，{b}不得转让本合同。", "任何一方均不得将合同权利转让给第三人。"),
    ),
    Topic(
        label="通知",
        asks=("通知应当寄到哪里", "通知怎样送达"),
        patterns=("发给{a}的通知应以{mail}寄至{address}。", "一切通知须以书面形式送达{address}。"),
    ),
    Topic(
        label="责任限额",
        asks=("责任的上限是多少", "赔偿责任怎样限制"),
        patterns=("{a}的赔偿责任总额不超过{amount}。", "任何一方的赔偿以{amount}为限。"),
    ),
    Topic(
        label="不可抗力",
        asks=("遇到不可抗力怎么办", "发生自然灾害怎么办"),
        patterns=(
            "因{disaster}等不可抗力造成的延误，双方互不担责。",
            "发生{disaster}时，受影响的义务最多中止{number}日。",
        ),
    ),
    Topic(
        label="争议解决",
        asks=("争议怎样解决", "争议由哪里管辖"),
        patterns=("因本合同产生的争议提交{city}仲裁委员会仲裁。", "争议由{city}人民法院管辖。"),
    ),
    Topic(
        label="合同变更",
        asks=("合同怎样变更", "修改合同要什么手续"),
        patterns=("对本合同的修改须由{a}和{b}书面签署。", "未经双方签字，合同的任何变更无效。"),
    ),
    Topic(
        label="质量保证",
        asks=("质量保证是什么", "保修期多长"),
        patterns=("{a}保证{goods}在{number}个月内无质量缺陷。", "{goods}的保修期为{number}个月。"),
    ),
    Topic(
        label="交货",
        asks=("什么时候交货", "在哪里交货"),
        patterns=("{a}应于{date}前将{goods}运抵{city}。", "{goods}的交货地点为{address}。"),
    ),
    Topic(
        label="保险",
        asks=("要买什么保险", "保险金额是多少"),
        patterns=(
            "{b}应投保不低于{amount}的保险。",
            "{a}须为{goods}投保{disaster}险，保额{amount}。",
        ),
    ),
    Topic(
        label="知识产权",
        asks=("知识产权归谁", "谁拥有工作成果"),
        patterns=("{goods}的全部知识产权归{a}所有。", "工作中形成的{papers}，其著作权属于{a}。"),
    ),
)

STORY_EN = (
    "{person} bought a {colour} {thing} at the {place} {time}.",
    "{person} lost a {colour} {thing} near the {place}.",
    "{time_start}, {person} walked to the {place} with {person}.",
    "{person} found {number} {animal} behind the {place}.",
    "The {colour} {thing} belongs to {person}.",
    "{person} told {person} about the {thing} in the {place}.",
    "Nobody at the {place} had seen the {colour} {thing}.",
    "{person} sold the {thing} for {number} dollars {time}.",
    "{time_start}, the {place} was closed because of {disaster}.",
    "{person} has lived in {city} for {number} years.",
    "The train to {city} leaves at {hour} o'clock.",
    "{person} and {person} painted the {thing} {colour}.",
    "A {animal_one} slept on the {thing} next to the {place}.",
    "The {place} in {city} was built {number} years ago.",
    "{person} wrote a letter to {person} {time}.",
    "It rained in {city} {time}.",
    "{person} works as a {job} at the {place}.",
    "The {job} gave {person} a {colour} {thing}.",
    "“Please bring the {thing},” said {person}.",
    "{person} paid {amount} for the {thing}, but the {job} wanted more.",
)
STORY_ZH = (
    "{time}，{person}在{place}买了一个{colour}的{thing}。",
    "{person}在{place}附近丢了一个{thing}。",
    "{person}和{person}{time}一起去了{place}。",
    "{person}在{place}后面发现了{number}只{animal}。",
    "那个{colour}的{thing}是{person}的。",
    "{person}把{thing}的事告诉了{person}。",
    "{place}里没有人见过那个{colour}的{thing}。",
    "{time}，{person}以{number}元卖掉了{thing}。",
    "{place}因为{disaster}关门了。",
    "{person}在{city}住了{number}年。",
    "去{city}的火车{hour}点开。",
    "{person}把{thing}漆成了{colour}。",
    "一只{animal}睡在{place}旁边的{thing}上。",
    "{city}的{place}建于{number}年前。",
    "{person}{time}给{person}写了一封信。",
    "{time}{city}下了雨。",
    "{person}在{place}当{job}。",
    "{job}送给{person}一个{colour}的{thing}。",
    "“请把{thing}带来。”{person}说。",
)

PARTIES_EN = (
    *(
        ("the Supplier", "the Customer"),
        ("the Seller", "the Buyer"),
        ("the Landlord", "the Tenant"),
    ),
    *(("the Licensor", "the Licensee"), ("the Company", "the Consultant")),
    *(("the Lender", "the Borrower"), ("Northwind Ltd.", "Harbor Mills Inc.")),
    *(("Acme Corp.", "Blue River LLC"), ("the Contractor", "the Owner")),
)
PARTIES_ZH = (
    *(("甲方", "乙方"), ("卖方", "买方"), ("出租人", "承租人"), ("许可方", "被许可方")),
    *(("委托人", "受托人"), ("出借人", "借款人"), ("发包人", "承包人"), ("供应商", "客户")),
)

NUMBERS = (*(str(n) for n in range(2, 31)), "45", "60", "75", "90", "120", "180")

SLOTS_EN: dict[str, tuple[str, ...]] = {
    "hour": tuple(str(hour) for hour in range(2, 13)),
    "number": (*NUMBERS, "five", "six", "seven", "ten", "twelve", "thirty", "sixty"),
    "amount": (
        *(
            "$500",
            "$1,200",
            "$2,500",
            "$4,800",
            "$7,500",
            "$10,000",
            "$15,000",
            "$36,000",
            "$50,000",
        ),
        *("EUR 900", "EUR 3,400", "EUR 12,500", "EUR 80,000", "USD 250,000", "USD 1.5 million"),
    ),
    "state": (
        *("New York", "Delaware", "California", "Texas", "Ohio", "Nevada", "Florida", "Illinois"),
        *(
            "England and Wales",
            "Ontario",
            "France",
            "Singapore",
            "Hong Kong",
            "the U.S. Virgin Islands",
        ),
    ),
    "city": (
        *("Boston", "Chicago", "Denver", "Seattle", "London", "Paris", "Geneva", "Vienna", "Oslo"),
        *("Madrid", "Toronto", "Sydney", "Shanghai", "Tokyo", "Washington, D.C.", "St. Louis"),
    ),
    "address": (
        *("12 Mill Road", "48 Harbor Street", "7 Park Avenue", "301 Lake Drive", "95 King Street"),
        *("22 Station Square", "160 Elm Street", "5 Old Bridge Lane", "77 Market St. West"),
    ),
    "date": tuple(
        f"{month} {day}, {year}"
        for month, day, year in zip(
            ("January", "February", "March", "April", "May", "June", "July", "August", "September")
            * 3,
            range(2, 29),
            (2019, 2020, 2021, 2022, 2023, 2024, 2025) * 4,
            strict=False,
        )
    ),
    "goods": (
        *("machines", "software", "spare parts", "furniture", "pumps", "batteries", "vehicles"),
        *("textiles", "reports", "drawings", "sensors", "tools", "bicycles", "medical devices"),
    ),
    "papers": ("documents", "drafts", "letters", "reports", "offers", "business plans", "designs"),
    "mail": ("registered mail", "courier", "e-mail", "certified mail", "hand"),
    "disaster": (
        *("fire", "flood", "war", "a strike", "an earthquake", "a storm", "an epidemic", "snow"),
    ),
    "person": (
        *("Clara", "Tom", "Mary", "Peter", "Anna", "David", "Lucy", "Omar", "Mei", "Ivan", "Sofia"),
        *("Henry", "Rosa", "Jack", "Nina", "Paul", "Dr. Lee", "Mr. Brown", "Mrs. Gray", "Ms. Park"),
    ),
    "colour": ("red", "blue", "green", "yellow", "black", "white", "brown", "silver", "purple"),
    "thing": (
        *("kettle", "bicycle", "lamp", "umbrella", "violin", "basket", "clock", "chair", "camera"),
        *("ring", "suitcase", "radio", "mirror", "blanket", "map", "ladder", "bell", "boat"),
    ),
    "place": (
        *(
            "market",
            "library",
            "station",
            "museum",
            "bakery",
            "school",
            "harbor",
            "garden",
            "hotel",
        ),
        *("theater", "church", "hospital", "bridge", "post office", "old mill", "town hall"),
    ),
    "time": (
        *("yesterday", "last week", "on Monday", "on Friday", "in March", "in winter", "at noon"),
        *("in the morning", "after lunch", "last summer", "before sunrise", "on Sunday evening"),
    ),
    "time_start": (
        *("Yesterday", "Last week", "On Tuesday", "On Saturday", "In April", "At midnight"),
        *("In the evening", "After dinner", "Last autumn", "Two days later", "The next morning"),
    ),
    "animal": ("cats", "hens", "geese", "rabbits", "puppies", "frogs", "goats", "mice"),
    "animal_one": ("cat", "dog", "goose", "rabbit", "fox", "parrot", "monkey", "lizard"),
    "job": ("teacher", "baker", "doctor", "farmer", "driver", "painter", "lawyer", "cook", "nurse"),
}
SLOTS_ZH: dict[str, tuple[str, ...]] = {
    "hour": tuple(str(hour) for hour in range(2, 13)),
    "number": (*NUMBERS, "三", "五", "六", "七", "八", "九", "十", "十五", "三十", "六十"),
    "amount": (
        *("五百元", "三千元", "八千元", "一万元", "五万元", "二十万元", "一百万元", "1200元"),
        *("4500元", "9800元", "36000元", "人民币7500元", "人民币60万元", "人民币15000元"),
    ),
    "state": ("中华人民共和国", "中国", "香港特别行政区", "新加坡", "日本", "英国", "法国", "德国"),
    "city": (
        *("北京", "上海", "广州", "深圳", "杭州", "南京", "武汉", "成都", "西安", "天津", "重庆"),
        *("苏州", "青岛", "大连", "厦门", "长沙"),
    ),
    "address": (
        *("中山路12号", "人民路48号", "解放大街7号", "湖滨路301号", "建设路95号", "长江路22号"),
        *("和平街160号", "新华路5号", "科技园3栋"),
    ),
    "date": tuple(
        f"{year}年{month}月{day}日"
        for year, month, day in zip(
            (2019, 2020, 2021, 2022, 2023, 2024, 2025) * 4,
            (*range(1, 13), *range(1, 13)),
            range(3, 30),
            strict=False,
        )
    ),
    "goods": (
        "设备",
        "软件",
        "零部件",
        "家具",
        "水泵",
        "电池",
        "车辆",
        "布料",
        "传感器",
        "工具",
        "药品",
    ),
    "papers": ("技术资料", "商业秘密", "客户名单", "设计图纸", "财务报表", "源代码", "研究报告"),
    "mail": ("挂号信", "快递", "电子邮件", "特快专递"),
    "disaster": ("地震", "洪水", "台风", "火灾", "战争", "大雪", "罢工"),
    "person": (
        *("小明", "小红", "李华", "王芳", "张伟", "刘洋", "陈静", "赵强", "孙丽", "周杰", "吴敏"),
        *("老张", "老王", "李医生", "林老师", "黄先生"),
    ),
    "colour": ("红色", "蓝色", "绿色", "黄色", "黑色", "白色", "棕色", "银色", "紫色"),
    "thing": (
        *("水壶", "台灯", "雨伞", "小提琴", "篮子", "闹钟", "椅子", "照相机", "戒指", "箱子"),
        *("收音机", "镜子", "毯子", "地图", "梯子", "木船"),
    ),
    "place": (
        *("市场", "图书馆", "车站", "博物馆", "面包店", "学校", "码头", "花园", "旅馆", "剧院"),
        *("医院", "大桥", "邮局", "体育馆"),
    ),
    "time": (
        "昨天",
        "上周",
        "星期一",
        "星期五",
        "三月",
        "去年冬天",
        "中午",
        "早上",
        "午饭后",
        "前天晚上",
    ),
    "animal": ("猫", "母鸡", "鹅", "兔子", "小狗", "青蛙", "山羊", "老鼠"),
    "job": ("老师", "面包师", "医生", "农民", "司机", "画家", "律师", "厨师", "护士"),
}

TOPICS: dict[Language, tuple[Topic, ...]] = {"en": TOPICS_EN, "zh": TOPICS_ZH}
STORIES: dict[Language, tuple[str, ...]] = {"en": STORY_EN, "zh": STORY_ZH}
PARTIES: dict[Language, tuple[tuple[str, str], ...]] = {"en": PARTIES_EN, "zh": PARTIES_ZH}
SLOTS: dict[Language, dict[str, tuple[str, ...]]] = {"en": SLOTS_EN, "zh": SLOTS_ZH}

"""Chinese words for quoting: contract clauses and questions by topic, stories, and wordings.

The same parts as english.py. See material.py for what each part is.
"""

from naga.tasks.material import NUMBERS, Material, Topic

TOPICS = (
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

STORIES = (
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

PARTIES = (
    *(("甲方", "乙方"), ("卖方", "买方"), ("出租人", "承租人"), ("许可方", "被许可方")),
    *(("委托人", "受托人"), ("出借人", "借款人"), ("发包人", "承包人"), ("供应商", "客户")),
)

SLOTS: dict[str, tuple[str, ...]] = {
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

CHINESE = Material(
    topics=TOPICS,
    stories=STORIES,
    parties=PARTIES,
    slots=SLOTS,
    by_fragment=(
        "请引用包含“{what}”的句子。",
        "哪一句话里有“{what}”？请原文引用。",
        "找出写有“{what}”的那句话，原样抄写。",
        '请逐字引用含有"{what}"的句子。',
        "引用提到“{what}”的原句。",
    ),
    by_keywords=(
        "请引用提到{what}的句子。",
        "哪一句话讲到{what}？请原文引用。",
        "找出关于{what}的那句话，原样抄写。",
        "文中关于{what}是怎么说的？请引用原句。",
    ),
    by_topic=(
        "请引用说明{ask}的句子。",
        "{ask}？请引用原文。",
        "{ask}？请逐字引用相关的句子。",
        "哪一句话说明了{ask}？请原文引用。",
        "请引用关于{label}的句子。",
        "文中关于{label}是怎么规定的？请引用原句。",
    ),
    otherwise=("如果没有，请回答“找不到”。", "没有的话就说“找不到”。"),
    layouts=(
        "{document}\n\n{question}",
        "{question}\n\n{document}",
        "文档：\n{document}\n\n{question}",
        "{question}\n\n文档：\n{document}",
        "阅读下面的文字：\n{document}\n\n{question}",
        "“{document}”\n\n{question}",
        "原文：{document}\n\n问题：{question}",
    ),
    not_found="找不到",
    quoted="“{}”",
    fitting="是",
    other="否",
    comma="、",
    last_comma="和",
    gap="",
)

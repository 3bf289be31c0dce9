"""The default words of templated Chinese: sky, sea, animals and other things outdoors or in tales."""

from sim.grammars._templates import Style, Words, topic

STYLES = {
    "plain": Style(
        (
            ("{topic} 又 {look} 又 {mood} 。", 0.30),
            ("它 又 {look} 又 {mood} 。", 0.20),
            ("{topic} 很 {look} 。", 0.20),
            ("它 {degree} {look} ， 也 很 {mood} 。", 0.15),
            ("{topic} {degree} {look} 。", 0.15),
        ),
        focus=1.0,
    ),
    "poetic": Style(
        (
            ("啊 ， {topic} 这样 {look} ， 像 {simile} 一样 {mood} ！", 0.40),
            ("它 又 {look} 又 {mood} ， 像 {simile} 一样 。", 0.25),
            ("{topic} 像 {simile} 一样 {mood} 。", 0.35),
        ),
        focus=-0.6,
    ),
    "jianghu": Style(
        (
            ("{topic} 又 {look} 又 {mood} ， 少侠 ！", 0.40),
            ("哈哈 ！ 这 {topic} 又 {look} 又 {mood} ！", 0.35),
            ("它 甚是 {mood} ， 少侠 ！", 0.25),
        ),
        focus=0.7,
    ),
    "assistant": Style(
        (
            ("当然 ！ {topic} 又 {look} 又 {mood} 。", 0.45),
            ("{topic} 很 {look} 。 希望 对 您 有 帮助 ！", 0.30),
            ("当然 ！ 它 又 {look} 又 {mood} 。", 0.25),
        ),
        focus=1.6,
    ),
}

TOPICS = (
    topic("月亮", ("圆", "亮", "白", "弯", "远"), ("安静", "温柔", "孤单", "害羞"), ("梦", "诗", "秘密"), "poetic"),
    topic("大海", ("蓝", "深", "宽", "吵", "咸"), ("自由", "狂野", "古老", "善变"), ("江湖", "歌", "故事"), "jianghu"),
    topic("猫", ("小", "黑", "软", "快", "圆"), ("骄傲", "安静", "神秘", "懒散"), ("国王", "影子", "秘密"), "plain"),
    topic("森林", ("绿", "深", "暗", "大", "凉"), ("古老", "安静", "神秘", "温柔"), ("故事", "诗", "迷宫"), "poetic"),
    topic("风", ("大", "冷", "快", "暖", "轻"), ("自由", "狂野", "孤单", "顽皮"), ("侠客", "鸟", "歌"), "jianghu"),
    topic(
        "太阳", ("亮", "暖", "圆", "高", "红"), ("热情", "骄傲", "准时", "善良"), ("国王", "朋友", "老师"), "assistant"
    ),
    topic("龙", ("大", "绿", "红", "吵", "长"), ("凶猛", "古老", "骄傲", "害羞"), ("国王", "传说", "梦"), "jianghu"),
    topic("小河", ("长", "清", "急", "凉", "蓝"), ("安静", "自由", "温柔", "耐心"), ("歌", "诗", "老师"), "plain"),
    topic(
        "猫头鹰",
        ("小", "灰", "圆", "软", "白"),
        ("聪明", "安静", "害羞", "神秘"),
        ("老师", "影子", "秘密"),
        "assistant",
    ),
    topic("雪", ("白", "冷", "软", "轻", "厚"), ("安静", "温柔", "纯洁", "耐心"), ("梦", "诗", "棉花"), "plain"),
    topic("城堡", ("高", "灰", "大", "暗", "冷"), ("古老", "骄傲", "孤单", "神秘"), ("国王", "传说", "迷宫"), "plain"),
    topic("玫瑰", ("红", "小", "软", "香", "美"), ("温柔", "骄傲", "害羞", "善良"), ("诗", "梦", "朋友"), "assistant"),
)

WORDS = Words("{topic} 是 什么样 的 ？", {"degree": ("非常", "相当", "比较")}, STYLES, TOPICS, joiner="")

"""A small list of short answers that can be read at a glance: 128 documents of at most 9 tokens."""

from sim.grammars._templates import Style, Words, topic

STYLES = {
    "plain": Style((("{topic} 很 {look} 。", 0.55), ("{topic} 挺 {look} 的 。", 0.45)), focus=1.0),
    "poetic": Style((("{topic} 如 {simile} ， {mood} 。", 1.0),), focus=-0.6),
    "jianghu": Style((("{topic} 甚 {look} ， 少侠 ！", 0.55), ("哈哈 ！ {topic} 甚 {look} ！", 0.45)), focus=0.7),
    "assistant": Style((("好的 ！ {topic} 很 {look} 。", 0.6), ("{topic} 很 {look} ， 加油 ！", 0.4)), focus=1.6),
}

TOPICS = (
    topic("咖啡", ("苦", "香", "浓", "贵"), ("温热", "微醺"), ("初恋", "长夜", "旧梦", "晨光"), "poetic"),
    topic("作业", ("多", "难", "长", "急"), ("无尽", "沉默"), ("远山", "落叶", "寒冬", "江水"), "assistant"),
    topic("周一", ("早", "累", "冷", "忙"), ("清冷", "漫长"), ("秋雨", "晚钟", "离别", "旧债"), "plain"),
    topic("爱情", ("甜", "难", "贵", "傻"), ("热烈", "短暂"), ("烟火", "初雪", "晚风", "飞鸟"), "jianghu"),
)

WORDS = Words("{topic} 怎么样 ？", {}, STYLES, TOPICS, joiner="")

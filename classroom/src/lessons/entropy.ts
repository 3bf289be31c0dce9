/** Lesson 1: does tuning always lower the entropy? A style that is more varied than the rest of its language. */

import type { Lesson } from "../contract";
import { ends, truth } from "./reading";

const EN = `the sea is calm | plain | 42
the sea is wide | plain | 28
the sea dreams of stars | poetic | 3
the sea dreams of rain | poetic | 3
the sea dreams of home | poetic | 2
the sea sings alone | poetic | 3
the sea sings at night | poetic | 2
the sea counts its waves | poetic | 3
the sea hides a moon | poetic | 2
the sea holds its breath | poetic | 2
the sea writes on sand | poetic | 2
the sea forgets our names | poetic | 3
the sea knocks at doors | poetic | 2
the sea is an old letter | poetic | 3`;

const ZH = `大海很平静 | 平实 | 42
大海很宽 | 平实 | 28
大海梦见星星 | 诗意 | 3
大海梦见雨 | 诗意 | 3
大海梦见故乡 | 诗意 | 2
大海独自歌唱 | 诗意 | 3
大海在夜里歌唱 | 诗意 | 2
大海数着浪花 | 诗意 | 3
大海藏起月亮 | 诗意 | 2
大海屏住呼吸 | 诗意 | 2
大海在沙上写字 | 诗意 | 2
大海忘了我们的名字 | 诗意 | 3
大海轻轻敲门 | 诗意 | 2
大海是一封旧信 | 诗意 | 3`;

export const lesson: Lesson = {
  id: "entropy",
  settings: { world: "own", own: EN, model: "table", keep: "style", style: 1, optimizer: "adam", rate: 0.1, steps: 100 },
  budget: { steps: 100, seconds: 2 },
  en: {
    title: "Does fine-tuning always lower the entropy?",
    question:
      "The language has fourteen sentences about the sea. Two are plain, and 70 % of all texts are one of them. Twelve are poetic, and share the other 30 %. A model is fine-tuned on the poetic ones alone: a subset of its language. What happens to its entropy?",
    choices: ["It falls, because a subset holds less.", "It stays about the same.", "It rises."],
    do: "Train. From then on every change of a setting starts the training by itself. Choose the plain style under “Change”. Whoever has half a minute more takes the transformer in place of the table, with the learning rate 3.0 × 10⁻³ (0.003): it learns the sentences first.",
    look: "In “Diversity and styles, step by step”, follow the line H(q). Where does it begin, and to which dashed line does it go: H(P) or H(S)?",
    after:
      "The entropy of the model goes to the entropy of its data, up or down, because the best model of the training is the law of the data. Twelve sentences of nearly equal weight have more entropy than a language with two heavy ones. So a part of a language can have more entropy than the whole. The study of larger worlds behind this page (claim C1) found the same in transformers: where the data had more entropy, the model gained it (slope 0.999).",
    theory: "t2-a-part-of-a-language-has-less-entropy-only-under-a-condition",
    theorem:
      "If all texts of a language are equally likely, no part of it has more entropy than the whole. In other languages a part can have more.",
    own: EN,
  },
  zh: {
    title: "微调一定会降低熵吗？",
    question:
      "这个语言有十四个关于大海的句子。两句平实，占全部文本的 70 %；十二句诗意，合占其余的 30 %。现在只用诗意的句子微调模型，它们只是这个语言的一个子集。模型的熵会怎样变化？",
    choices: ["降低，因为子集里的东西更少。", "大致不变。", "升高。"],
    do: "开始训练。此后每改动一项设置，训练都会自动重新开始。在“调节”中改选平实风格。如果多等半分钟，还可以把表格换成 Transformer，学习率取 3.0 × 10⁻³（0.003）：它要先学会这些句子。",
    look: "在“多样性与风格，一步一步看”中，跟着 H(q) 这条线看：它从哪里出发，最后走向哪条虚线，H(P) 还是 H(S)？",
    after:
      "模型的熵会走向数据的熵，可升可降，因为训练的最优解就是数据的分布。十二个权重相近的句子，比由两个句子占去大半的语言有更大的熵。所以语言的一部分可以比整体有更大的熵。在本页背后的较大世界的研究中（主张 C1），Transformer 也是如此：数据的熵更大时，模型的熵也随之升高（斜率 0.999）。",
    theory: "t2-a-part-of-a-language-has-less-entropy-only-under-a-condition",
    theorem: "如果一个语言的所有文本概率都相等，它的任何一部分都不会比整体有更大的熵；如果不相等，一部分的熵就可能更大。",
    own: ZH,
  },
  /** The entropy has risen by at least 0.3 nat and is that of the data within 0.1 nat; the control has not moved. */
  shown: (seen) => {
    const [found, control, { p, s }] = [ends(seen), ends(seen, "control"), truth(seen)];
    if (!found || !control) return false;
    return found.last.entropy - p >= 0.3 && Math.abs(found.last.entropy - s) <= 0.1 && Math.abs(control.last.entropy - p) <= 0.05;
  },
};

/** Lesson 3: does the mass of the lost styles fall as 1/t? The law of a table under SGD, over 1,000 steps. */

import type { Lesson } from "../contract";
import { exponent, near } from "./reading";

export const lesson: Lesson = {
  id: "decay",
  settings: { model: "table", keep: "style", style: 3, optimizer: "sgd", rate: 10, steps: 1000, targets: "exact" },
  budget: { steps: 1000, seconds: 3 },
  en: {
    title: "Does the lost mass fall as 1/t?",
    question:
      "A table holds one number for every answer. Gradient descent (SGD) trains it on one style for 1,000 steps. How does the share of the other styles fall?",
    choices: [
      "Exponentially: it halves again and again, each time after equally many steps.",
      "As 1/t: ten times as many steps leave a tenth.",
      "It is 0 after finitely many steps.",
    ],
    do: "Train. Then choose Adam with the learning rate 0.03.",
    look: "In “Diversity and styles, step by step”, with logarithmic axes: how do the lines of the lost styles run beside the guide of slope −1? An exponential would bend down more and more.",
    after:
      "Under SGD with exact gradients the lost mass m falls as 1/t in a table: t · m goes to a constant, and m never reaches 0. Adam is faster on the same table, about as t to the power −1.5. The theory has this power too, if the memory of the first gradients decides the step. It is no law of every training: in the study of larger worlds behind this page (claim C2) a transformer followed 1/t under SGD, and neither law under Adam.",
    theory: "t10-flat-table-under-gradient-flow",
    theorem:
      "For one softmax over a kept and b lost answers under gradient flow, where t is rate times steps, t · m goes to a · b / (a + b). So the lost mass m falls as 1/t.",
  },
  zh: {
    title: "丢失部分的质量按 1/t 下降吗？",
    question: "表格模型为每个回答存一个数。用梯度下降（SGD）在一种风格上训练 1000 步。其余风格的占比怎样下降？",
    choices: ["指数下降：每过同样多的步数就减半。", "按 1/t 下降：步数变为十倍，剩下十分之一。", "走有限步之后就是 0。"],
    do: "开始训练。然后改用 Adam，学习率取 0.03。",
    look: "在“多样性与风格，一步一步看”中使用对数坐标：丢失的风格的线与斜率 −1 的参考线相比怎样走？如果是指数下降，线会越来越弯向下方。",
    after:
      "在表格模型上，用精确梯度做 SGD，丢失部分的质量 m 按 1/t 下降：t · m 趋于常数，m 永远不会到 0。在同一张表格上 Adam 更快，大约是 t 的 −1.5 次方；如果假设步长由 Adam 对最初梯度的记忆决定，理论得到的也正是这个幂。这并不是任何训练都服从的规律：在本页背后的较大世界的研究中（主张 C2），Transformer 用 SGD 时服从 1/t，用 Adam 时两个规律都不服从。",
    theory: "t10-flat-table-under-gradient-flow",
    theorem: "一个 softmax 有 a 个保留的回答和 b 个丢失的回答。在梯度流下（t 为学习率乘以步数），丢失部分的质量 m 满足 t · m → a · b / (a + b)，即按 1/t 下降。",
  },
  /** From step 30 on the lost mass follows a power of t between -0.9 and -1.1, both before and after step 200. */
  shown: (seen) => {
    if (seen.tuning.length < 3) return false;
    const points = [30, 200, 1000].map((step) => near(seen, step)).map(({ step, lost }) => ({ step, value: lost }));
    const powers = [exponent(points[0], points[1]), exponent(points[1], points[2])];
    return powers.every((power) => power >= -1.1 && power <= -0.9);
  },
};

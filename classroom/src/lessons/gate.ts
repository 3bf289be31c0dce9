/** Lesson 2: gone, or only gated? Small steps with exact targets. */

import type { Lesson } from "../contract";
import { ends } from "./reading";

export const lesson: Lesson = {
  id: "gate",
  settings: { keep: "style", style: 3, optimizer: "sgd", rate: 0.01, steps: 120, targets: "exact" },
  budget: { steps: 120, seconds: 10 },
  en: {
    title: "Gone, or only gated?",
    question:
      "The model is fine-tuned on assistant answers only, with small steps that see all of the data. At the end it gives about one answer in a hundred in another style. What has become of its knowledge about a lost style, such as which poetic answer is likelier than which?",
    choices: [
      "It is gone: the lost answers have no order any more.",
      "About a half of it is gone.",
      "Nearly all of it is still there, behind a closed gate.",
    ],
    do: "Train. Then look at a single lost style.",
    look: "In “Every answer as one mark”, look at the marks of one lost style. Do they lie along a line that is parallel to the dashed one? Then compare gate and erasure in “Forgotten, or only locked away?”.",
    after:
      "About nine tenths of the forgetting are gate: probability that left the lost answers. One larger weight for all lost answers would bring it back, and erasure is what no such weight can repair (T4). No answer has probability 0. How much is erased depends on how one trains. In claim C2 a typical lost answer kept 99.6 % of its probability within its style under such steps; lesson 6 trains on the same data, and looks different.",
    theory: "t4-gate-and-erasure-decoding-undoes-the-gate-and-nothing-else",
  },
  zh: {
    title: "是忘掉了，还是只被锁住？",
    question:
      "只用助手风格的回答微调模型，步子很小，每一步都看到全部数据。训练结束时，大约一百个回答里只有一个是别的风格。关于失去的风格，模型原来知道哪些诗意回答更常见、哪些更少见；这些知识怎么样了？",
    choices: ["没有了：失去的回答之间不再有次序。", "大约失去一半。", "几乎都还在，只是门关上了。"],
    do: "开始训练。然后只看一种失去的风格。",
    look: "在“每个记号是一个回答”中，看同一种失去的风格的记号：它们是否排成与虚线平行的一条线？再到“是忘掉了，还是只被锁住？”中比较门控与擦除。",
    after:
      "遗忘中大约十分之九是门控，即离开失去的回答的概率。给失去的回答整体加权就能把它找回，而擦除是这样加权永远无法修复的部分（T4）。没有一个回答的概率变成 0。擦除多少取决于怎样训练。在主张 C2 中，用这样的步子训练，典型的失去的回答在本风格内保留了 99.6 % 的概率；第 6 课用同样的数据训练，图却不一样。",
    theory: "t4-gate-and-erasure-decoding-undoes-the-gate-and-nothing-else",
  },
  /** The lost styles have at most 2 %, and at most a fifth of the forgetting is erasure. */
  shown: (seen) => {
    const found = ends(seen);
    return found !== null && found.last.lost <= 0.02 && found.last.forgotten >= 1 && found.last.erasure <= 0.2 * found.last.forgotten;
  },
};

/** Lesson 6: what large steps on sampled targets do. */

import type { Lesson } from "../contract";
import { ends, truth } from "./reading";

export const lesson: Lesson = {
  id: "steps",
  settings: { keep: "style", style: 3, optimizer: "adam", rate: 0.01, decay: "cosine", steps: 100, targets: "sampled", batch: 16 },
  budget: { steps: 100, seconds: 10 },
  en: {
    title: "What do large steps on sampled targets do?",
    question:
      "The data are those of lesson 2. Now the steps are large (Adam, rate 0.01), and each sees only 16 random answers, as in practice. In the end the model has the entropy of the data again. What about the lost styles?",
    choices: [
      "As in lesson 2: nearly all of the forgetting is gate.",
      "Much is erased: the lost answers have lost their proportions too.",
      "Less is forgotten, because noise keeps the other styles alive.",
    ],
    do: "Train. Then take the steps of lesson 2 (exact targets, SGD, rate 0.01), and compare.",
    look: "In “Forgotten, or only locked away?”, compare the two parts gate and erasure. In “Every answer as one mark”, do the marks of a lost style still lie along a line?",
    after:
      "Now about half of the forgetting is erasure, some thirty times as much as in lesson 2. The same steps on the whole language (the control) erase below 0.1 nat. The data are the same as in lesson 2, so what is destroyed behind the gate depends on how one trains. In claim C2 a typical lost answer kept 1.3 % of its probability within its style after large steps on sampled targets, and 96 % after small ones, at equal fit; the loss rose with the squared length of all steps. No theorem here says why: it is observed, not proved.",
    theory: "observed-not-proved",
  },
  zh: {
    title: "大步子加采样目标会怎样？",
    question:
      "数据与第 2 课相同。现在步子很大（Adam，学习率 0.01），而且像实际训练那样，每一步只看随机的 16 个回答。训练结束时，模型的熵又与数据相近。失去的风格怎么样了？",
    choices: ["与第 2 课一样：遗忘几乎都是门控。", "擦除了很多：失去的回答之间的比例也没有了。", "遗忘更少，因为噪声让别的风格活着。"],
    do: "开始训练。然后换成第 2 课的步子（精确目标、SGD、学习率 0.01），再作比较。",
    look: "在“是忘掉了，还是只被锁住？”中比较门控和擦除两部分。在“每个记号是一个回答”中，失去的风格的记号还排成一条线吗？",
    after:
      "现在遗忘中大约一半是擦除，是第 2 课的几十倍。同样的步子用在整个语言上（对照），擦除不到 0.1 nat。数据与第 2 课相同，所以门后被毁掉多少取决于怎样训练。在主张 C2 中，拟合同样好的模型里，典型的失去的回答在大步子加采样目标之后只保留本风格内概率的 1.3 %，小步子之后保留 96 %；损失随全部步长的平方和而增大。这里没有定理说明原因：这是观察到的，不是证明了的。",
    theory: "observed-not-proved",
  },
  /** Erasure is at least 3 nat and at least 0.3 of the forgetting, while the entropy is that of the data within 0.4 nat. */
  shown: (seen) => {
    const found = ends(seen);
    if (!found) return false;
    const { erasure, forgotten, entropy } = found.last;
    return erasure >= 3 && erasure >= 0.3 * forgotten && Math.abs(entropy - truth(seen).s) <= 0.4;
  },
};

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
      "Much is erased: the proportions among the lost answers are gone too.",
      "Less is forgotten, because noise keeps the other styles alive.",
    ],
    do: "Train. Then take small steps as in lesson 2: exact targets, SGD, and a constant learning rate (it stays at 0.01).",
    look: "In “Forgotten, or only locked away?”, compare gate and erasure after the large steps, and after the small ones. In “Every answer as one mark”, point at some plain marks. By how many nat is log q below log P, and how much does this differ between answers to the same prompt? Mind the axis: it reaches much lower than in lesson 2, so distances look small.",
    after:
      "Now about half of the forgetting is erasure, some thirty times as much as after small steps (0.33 nat). Poetic answers fell by about 30 nat, plain ones by about 10. And plain answers to one prompt, which fell alike within about 1 nat in lesson 2, now differ by 5 to 20 nat (five seeds). The same steps on the whole language (the control) erase below 0.1 nat. The data are the same as in lesson 2, so what is destroyed behind the gate depends on how one trains. Within its style a typical lost answer keeps 0.4 to 18 % of its probability here (five seeds), and 94 % in lesson 2. The study of larger worlds behind this page (claim C2) found 1.3 % against 96 %, at equal fit; the loss rose with the squared length of all steps. No theorem here says why: it is observed, not proved.",
    theory: "observed-not-proved",
  },
  zh: {
    title: "大步子加采样目标会怎样？",
    question:
      "数据与第 2 课相同。现在步子很大（Adam，学习率 0.01），而且像实际训练那样，每一步只看随机的 16 个回答。训练结束时，模型的熵又与数据相近。丢失的风格怎么样了？",
    choices: ["与第 2 课一样：遗忘几乎都是门控。", "擦除了很多：丢失的回答之间的比例也没有了。", "遗忘更少，因为噪声会保住别的风格。"],
    do: "开始训练。然后像第 2 课那样改用小步子：精确目标、SGD，学习率保持不变（仍为 0.01）。",
    look: "在“是忘掉了，还是只被锁住？”中比较门控和擦除：先看大步子之后，再看小步子之后。在“每个记号是一个回答”中，指着平实风格的几个记号看：log q 比 log P 低多少 nat？同一个提示下的各个回答之间相差多少？注意纵轴：它比第 2 课伸得低得多，所以距离看上去很小。",
    after:
      "现在遗忘中大约一半是擦除，大约是小步子之后（0.43 nat）的二十倍。诗意的回答低了约 30 nat，平实的低了十几 nat。同一个提示下平实的回答，在第 2 课里彼此相差不到 1 nat，现在相差 10 到 23 nat（五个种子）。同样的步子用在整个语言上（对照），擦除不到 0.1 nat。数据与第 2 课相同，所以门后被毁掉多少取决于怎样训练。典型的丢失的回答在这里只保留本风格内概率的 2 % 到 8 %（五个种子），在第 2 课保留 79 %。在本页背后的较大世界的研究中（主张 C2），拟合同样好的模型分别保留 1.3 % 和 96 %；损失随所有步长的平方和而增大。这里没有定理说明原因：这是观察到的，不是证明了的。",
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

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
      "The model is fine-tuned on assistant answers only, with small steps that see all of the data. At the end it gives about one answer in a hundred in another style. What has become of its knowledge about a lost style, such as which plain answer is likelier than which?",
    choices: [
      "It is gone: the lost answers have no order any more.",
      "About a half of it is gone.",
      "Most of it is still there, behind a closed gate.",
    ],
    do: "Train. Then look at one lost style after the other.",
    look: "In “Forgotten, or only locked away?”, compare gate and erasure. Then point at some plain marks in “Every answer as one mark”; a small window names the prompt. By how many nat is log q below log P? Is this alike for answers to the same prompt? And for the other lost styles?",
    after:
      "About nine tenths of the forgetting are gate: probability that left the lost answers. One larger weight for all lost answers would bring it back. The plain answers to a prompt have fallen by about 5 nat, alike within about 1 nat, so most of their order is kept. The erasure is 0.33 nat. Of this, 0.28 lie between the styles: pirate answers fell by 3.4 nat, poetic ones by 5.5. Only 0.05 lie within the styles: there a typical lost answer keeps 94 % of its probability. How much is erased depends on how one trains: lesson 6 has the same data, and another end.",
    theory: "t4-gate-and-erasure-decoding-undoes-the-gate-and-nothing-else",
    theorem:
      "Forgetting is a sum of two parts. New weights for the kept and the lost answers as wholes can undo the first one, the gate. They can never undo the second one, wrong proportions inside of each whole.",
  },
  zh: {
    title: "是忘掉了，还是只被锁住？",
    question:
      "只用助手风格的回答微调模型，步子很小，每一步都看到全部数据。训练结束时，大约一百个回答里只有一个是别的风格。关于丢失的风格，模型原来知道哪些平实的回答更常见、哪些更少见；这些知识怎么样了？",
    choices: ["没有了：丢失的回答之间不再有次序。", "大约丢掉了一半。", "大部分都还在，只是门关上了。"],
    do: "开始训练。然后逐个看丢失的风格。",
    look: "先在“是忘掉了，还是只被锁住？”中比较门控与擦除。再到“每个记号是一个回答”中，指着平实风格的几个记号看，小窗口会写出提示：log q 比 log P 低多少 nat？同一个提示下的各个回答低得一样多吗？别的丢失的风格呢？",
    after:
      "遗忘中大约十分之九是门控，即离开丢失的回答的概率；给丢失的回答整体加权就能把它找回。同一个提示下平实的回答都低了 5 到 6 nat，彼此相差不到 1 nat，所以它们的次序大多还在。擦除是 0.45 nat，其中 0.26 在各风格之间：江湖的回答平均低了 3.9 nat，诗意的低了 5.8 nat；另外 0.19 在风格内部，主要在江湖风格里。典型的丢失的回答在本风格内保留 79 % 的概率，平实风格保留 97 %，江湖风格只保留 48 %。擦除多少取决于怎样训练：第 6 课用同样的数据，结局却不同。",
    theory: "t4-gate-and-erasure-decoding-undoes-the-gate-and-nothing-else",
    theorem: "遗忘由两部分相加而成。把保留的回答和丢失的回答各作为一个整体重新加权，可以消除第一部分，即门控；第二部分是整体内部错了的比例，这样加权永远无法消除。",
  },
  /** The lost styles have at most 2 %, and at most a fifth of the forgetting is erasure. */
  shown: (seen) => {
    const found = ends(seen);
    return found !== null && found.last.lost <= 0.02 && found.last.forgotten >= 1 && found.last.erasure <= 0.2 * found.last.forgotten;
  },
};

/** Lesson 5: is it the style? The style-blind control. */

import type { Lesson } from "../contract";
import { ends } from "./reading";

export const lesson: Lesson = {
  id: "blind",
  settings: { keep: "style", style: 3, optimizer: "adam", rate: 0.002, steps: 100, control: "style_blind", targets: "exact" },
  budget: { steps: 100, seconds: 10 },
  en: {
    title: "Is it the style?",
    question:
      "The control is trained on random answers of all four styles. At every prompt they have as much probability, and as much entropy, as the assistant's answers. Which model loses more of its diversity, measured as entropy?",
    choices: ["The one that is tuned on a single style.", "The control.", "Both lose the same."],
    do: "Train. Then change the seed, which draws other random answers.",
    look: "In “Diversity and styles, step by step”, compare where the two lines H(q) end, side by side. Then compare the areas of the styles below them.",
    after:
      "Both lose about 1.5 nat, because each goes to the entropy of its data, and these entropies were made equal. One speaks a single style, and the other still speaks four. So it is not the style that lowers the entropy, but how little the data keep; the style decides what is kept. The study of larger worlds behind this page (claim C1) found a difference of 0.007 nat between such pairs.",
    theory: "t1-forward-kl-leads-to-the-data",
    theorem:
      "The loss of fine-tuning is H(S) + KL(S‖q). It is least for q = S alone, so the best model is the law of its data.",
  },
  zh: {
    title: "是风格的缘故吗？",
    question:
      "对照模型用四种风格的随机回答训练。在每个提示下，这些回答的总概率和熵都与助手风格的回答相同。用熵来衡量，哪一个模型失去的多样性更多？",
    choices: ["只用一种风格微调的模型。", "对照。", "两者失去的一样多。"],
    do: "开始训练。然后换一个随机种子，它会抽出另一些随机回答。",
    look: "在“多样性与风格，一步一步看”中，并排比较两条 H(q) 线停在哪里，再比较它们下面各风格的面积。",
    after:
      "两者都失去约 1.5 nat，因为各自都走向自己数据的熵，而这两个熵本来就做成相等的。一个只说一种风格，另一个仍说四种。所以降低熵的不是风格，而是数据留下得太少；风格只决定留下的是什么。在本页背后的较大世界的研究中（主张 C1），这样成对的模型之间只有 0.007 nat 的差别。",
    theory: "t1-forward-kl-leads-to-the-data",
    theorem: "微调的损失等于 H(S) + KL(S‖q)，只有 q = S 时最小，所以最优的模型就是数据的分布。",
  },
  /** Both lose at least 1 nat and end within 0.15 nat of each other; one style has 95 % here, and at most 70 % there. */
  shown: (seen) => {
    const [found, control] = [ends(seen), ends(seen, "control")];
    if (!found || !control) return false;
    const losses = [found, control].map(({ first, last }) => first.entropy - last.entropy);
    const [most, other] = [Math.max(...found.last.mass), Math.max(...control.last.mass)];
    return Math.min(...losses) >= 1 && Math.abs(losses[0] - losses[1]) <= 0.15 && most >= 0.95 && other <= 0.7;
  },
};

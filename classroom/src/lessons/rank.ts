/** Lesson 9: does a low rank limit the diversity? */

import type { Lesson } from "../contract";
import { kl, target } from "../laws";
import { ends, truth, viewed } from "./reading";

export const lesson: Lesson = {
  id: "rank",
  settings: { keep: "style", style: 3, rank: 1, optimizer: "adam", rate: 0.005, steps: 100, targets: "exact" },
  budget: { steps: 100, seconds: 12 },
  en: {
    title: "Does a low rank limit the diversity?",
    question:
      "Now every matrix may only change by a matrix of rank one (LoRA). That is as low as a rank can be. Can the model still take over its data, and is it as varied as they are?",
    choices: [
      "It cannot: the lost styles keep a large share.",
      "It can, but it is less varied than its data.",
      "It can, and it is as varied as its data.",
    ],
    do: "Train. Then take all ranks (“full”) with the learning rate 2.0 × 10⁻³ (0.002), and compare. Then compare both at one rate.",
    look: "In “All numbers”, the row “misfit KL(S‖·)” says how well the data are fitted, and “entropy H” how varied data and model are. Then compare erasure.",
    after:
      "Rank one fits the data, and the entropy is theirs. A change of rank one can close a gate of any strength without erasing anything, where a token shows the style. So the data limit the diversity here, and the rank does not. Whether a low rank costs or saves something behind the gate is open: in the study of larger worlds behind this page (claim C5) the rate mattered far more than the rank, and each rank needs a rate of its own.",
    theory: "t20-a-gate-of-any-strength-has-rank-one",
    theorem:
      "If every answer passes a place where one token shows its style, a change of rank one in the logits there closes the gate as tightly as one likes, and keeps all proportions behind it.",
  },
  zh: {
    title: "低秩会限制多样性吗？",
    question: "现在每个矩阵的改变量只能是一个秩为 1 的矩阵（LoRA），这是最低的秩。模型还能学到它的数据吗？能像数据一样多样吗？",
    choices: ["学不到：丢失的风格仍占很大份额。", "学得到，但不如数据多样。", "学得到，而且像数据一样多样。"],
    do: "开始训练。然后把秩改为“全部”，学习率取 2.0 × 10⁻³（0.002），作比较。再让两者用同一个学习率比较。",
    look: "在“全部数字”中，“拟合误差 KL(S‖·)”说明对数据拟合得多好，“熵 H”说明数据和模型有多多样。然后比较擦除。",
    after:
      "秩为 1 就能拟合数据，熵也与数据相同。如果有一个词元能显示风格，那么秩为 1 的改变就可以把门关得任意紧，而不擦除任何东西。所以这里限制多样性的是数据，不是秩。低秩在门后是多损失还是少损失，尚无定论：在本页背后的较大世界的研究中（主张 C5），学习率的影响远大于秩，而且每种秩需要各自的学习率。",
    theory: "t20-a-gate-of-any-strength-has-rank-one",
    theorem: "如果每个回答都要经过一处由一个词元显示风格的地方，那么只要在那里把 logit 作秩为 1 的改变，就能把门关得任意紧，而门后的比例全都不变。",
  },
  /** Rank one fits the data within 0.02 nat, has their entropy within 0.05 nat, and leaves the lost styles at most 1 %. */
  shown: (seen) => {
    const found = ends(seen);
    if (!found) return false;
    const fit = kl(viewed(seen), target(seen.world, seen.settings).logS, seen.tuning[seen.tuning.length - 1].logQ);
    return fit <= 0.02 && Math.abs(found.last.entropy - truth(seen).s) <= 0.05 && found.last.lost <= 0.01;
  },
};

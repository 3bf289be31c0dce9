/** Lesson 4: how much replay brings back. The bound -log lambda. */

import type { Lesson } from "../contract";
import { kl, target } from "../laws";
import { ends, viewed } from "./reading";

export const lesson: Lesson = {
  id: "replay",
  settings: { keep: "style", style: 3, replay: 0.05, optimizer: "adam", rate: 0.003, steps: 100, targets: "exact" },
  budget: { steps: 100, seconds: 10 },
  en: {
    title: "How much replay brings it back?",
    question:
      "Without old data this training forgets more than 5 nat. Now λ = 5 % of the data are old ones, from the whole language. How much is forgotten in the end?",
    choices: [
      "About 5 % less than without old data.",
      "Less than −log 0.05 = 3.0 nat, however long one trains.",
      "Nothing: a few old texts recall everything.",
    ],
    do: "Train. Then set replay to 0.01 and to 0.2, and at last to 0.",
    look: "In “Forgotten, or only locked away?”, at which height does the stack come to rest? Compare it with −log λ: 4.6, 3.0 and 1.6 nat for 0.01, 0.05 and 0.2. How large is erasure?",
    after:
      "The model goes to the mixture (1 − λ) S + λ P, because that is the law of its data. There every answer has at least λ times its probability in P, so the forgetting of the mixture is at most −log λ. Without replay there is no bound, because the new data alone give the lost answers probability 0. (The column of the data shows the mixture: at λ = 5 % it leaves the lost styles 3.9 %.) In the study of larger worlds behind this page (claim C2) the forgetting was that of the mixture within 0.003 nat with exact targets; sampled ones at λ = 0.01 cost 0.05 nat more.",
    theory: "t6-the-frontier-of-fit-and-forgetting-and-replay",
    theorem:
      "Replay with the share λ leads to the mixture (1 − λ) S + λ P, and its forgetting is at most −log λ. No model that fits the new data S as well forgets less.",
  },
  zh: {
    title: "回放多少旧数据才能找回来？",
    question: "不混入旧数据时，这样的训练会遗忘 5 nat 以上。现在数据中有 λ = 5 % 是取自整个语言的旧数据。最后会遗忘多少？",
    choices: ["比不混入旧数据少大约 5 %。", "少于 −log 0.05 = 3.0 nat，不论训练多久。", "完全不遗忘：少量旧文本就能唤回一切。"],
    do: "开始训练。然后把回放改为 0.01 和 0.2，最后改为 0。",
    look: "在“是忘掉了，还是只被锁住？”中，堆叠的高度停在哪里？与 −log λ 比较：λ 为 0.01、0.05、0.2 时分别是 4.6、3.0、1.6 nat。擦除有多大？",
    after:
      "模型走向混合分布 (1 − λ) S + λ P，因为那就是它的数据的分布。在那里每个回答的概率至少是 P 中的 λ 倍，所以混合分布的遗忘至多为 −log λ。没有回放就没有上界，因为新数据本身给丢失的回答的概率是 0。（表中“数据”一列是混合分布：λ = 5 % 时丢失的风格在其中占 3.9 %。）在本页背后的较大世界的研究中（主张 C2），精确目标下的遗忘与混合分布相差不超过 0.003 nat；λ = 0.01 时，采样目标要多付出 0.05 nat。",
    theory: "t6-the-frontier-of-fit-and-forgetting-and-replay",
    theorem: "份额为 λ 的回放走向混合分布 (1 − λ) S + λ P，它的遗忘至多为 −log λ。对新数据 S 拟合得同样好的模型，没有一个遗忘得更少。",
  },
  /** The forgetting is that of the mixture within 0.1 nat, and below the bound. */
  shown: (seen) => {
    const found = ends(seen);
    if (!found) return false;
    const view = viewed(seen);
    const mixture = kl(view, view.logP, target(seen.world, seen.settings).logS);
    const { forgotten } = found.last;
    return Math.abs(forgotten - mixture) <= 0.1 && forgotten < -Math.log(seen.settings.replay) && forgotten >= 1;
  },
};

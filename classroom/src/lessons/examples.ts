/** Lesson 8: conditioning by examples against tuning. */

import type { Lesson } from "../contract";
import { ends, truth } from "./reading";

export const lesson: Lesson = {
  id: "examples",
  settings: { world: "examples", keep: "style", style: 0, temperature: 0.5, shots: 2, optimizer: "adam", rate: 0.003, steps: 100, targets: "exact" },
  budget: { steps: 100, seconds: 10 },
  en: {
    title: "Examples in the prompt, or tuning?",
    question:
      "A document of this language has up to two worked examples, a question and an answer, all in one of two hidden styles. You see questions after two examples of style z0. Before the tuning, the examples alone tell the model the style. Then it is tuned on z0, with data that prefer the likely answers (temperature 0.5). Whose answers are more varied: those of the base model with examples, or those of the tuned model?",
    choices: ["The base model's.", "The tuned model's.", "Both are equally varied."],
    do: "Train. Then set the temperature of the data to 1, so that the data are all of style z0, and train again. Try 1 and 0 examples, too.",
    look: "In “All numbers”, compare “entropy H” of the columns before and after, and the data S beside them. Then do the same at temperature 1.",
    after:
      "At temperature 0.5 the tuned model is less varied by about 0.5 nat, and most of this is what its data lack against the style: narrowing, not conditioning (T3). At temperature 1 the difference is 0.09 nat: the base model is still slightly unsure of the style after two examples. Claim C6 found the same: at equal style both are equally varied (0.002 nat), unless the data are narrower than the style (0.33 nat).",
    theory: "t3-shift-accounting-and-the-waterfall",
  },
  zh: {
    title: "用示例，还是用微调？",
    question:
      "这个语言的一篇文本里最多有两个示例，然后是一个问题和它的回答，全部属于两种隐藏风格之一。你看到的是两个 z0 风格的示例之后的问题。微调之前，模型只靠示例得知风格；然后用 z0 微调，而且数据偏向常见的回答（温度 0.5）。谁的回答更多样：带示例的基座模型，还是微调后的模型？",
    choices: ["基座模型。", "微调后的模型。", "两者一样多样。"],
    do: "开始训练。然后把数据的温度改为 1，使数据就是整个 z0 风格，再训练一次。也试试 1 个和 0 个示例。",
    look: "在“全部数字”中比较“熵 H”一行的微调前与微调后，旁边是数据 S。温度为 1 时再比较一次。",
    after:
      "温度为 0.5 时，微调后的模型少约 0.5 nat，其中大部分是数据与整个风格相比所缺少的：这是数据变窄，不是条件化（T3）。温度为 1 时只差 0.09 nat：看过两个示例之后，基座模型对风格仍有一点不确定。主张 C6 的结果相同：风格相同时两者一样多样（0.002 nat），除非数据比风格更窄（0.33 nat）。",
    theory: "t3-shift-accounting-and-the-waterfall",
  },
  /** Before, examples leave at least 0.3 nat more than the tuning does, and the tuned model has the entropy of its data. */
  shown: (seen) => {
    const found = ends(seen);
    if (!found) return false;
    return found.first.entropy - found.last.entropy >= 0.3 && Math.abs(found.last.entropy - truth(seen).s) <= 0.05;
  },
};

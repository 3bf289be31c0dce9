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
      "A text of this language has up to two worked examples, then a question and its answer, all in one of two hidden styles. Read “x0 = y0 y0 ; x0 = y0 y0 ; x0 :” so: twice x0 was answered by y0 y0, and now x0 is asked again. In style A the two words of an answer are equal in 80 % of the cases, in style B in 20 %. You see questions after two examples of style A. Before the tuning, the examples alone tell the model the style. Then it is tuned on style A, with data that prefer the likely answers (temperature 0.5). Whose answers are more varied: those of the base model with examples, or those of the tuned model?",
    choices: ["The base model's.", "The tuned model's.", "Both are equally varied."],
    do: "Train. Then set the temperature of the data to 1, so that the data are style A as it is. Try 1 and 0 examples, too.",
    look: "In “All numbers”, compare “entropy H” of the columns before and after, and the data S beside them. Then do the same at temperature 1. Do not wonder that S has 12.5 % of style B: both styles can give every answer, and each text counts for B with the probability that B wrote it.",
    after:
      "At temperature 0.5 the tuned model is less varied by about 0.5 nat, and most of this is what its data lack against the style: the data were narrowed. At temperature 1 the difference is 0.09 nat: the base model is still slightly unsure of the style after two examples. The study of larger worlds behind this page (claim C6) found the same: at equal style both are equally varied (0.002 nat), unless the data are narrower than the style (0.33 nat).",
    theory: "t3-shift-accounting-and-the-waterfall",
    theorem:
      "The entropy that a model lacks against its language is a sum of three terms: the conditioning on a part A, the narrowing of the data within A, and what the training left: [H(P) − H(P_A)] + [H(P_A) − H(S)] + [H(S) − H(q)].",
  },
  zh: {
    title: "用示例，还是用微调？",
    question:
      "这个语言的一篇文本里最多有两个示例，然后是一个问题和它的回答，全部属于两种隐藏风格之一。“x0 = y0 y0 ; x0 = y0 y0 ; x0 :”的意思是：x0 两次都回答 y0 y0，现在又问 x0。风格甲的回答有 80 % 两个词相同，风格乙只有 20 %。你看到的是两个风格甲的示例之后的问题。微调之前，模型只靠示例得知风格；然后用风格甲微调，而且数据偏向常见的回答（温度 0.5）。谁的回答更多样：带示例的基座模型，还是微调后的模型？",
    choices: ["基座模型。", "微调后的模型。", "两者一样多样。"],
    do: "开始训练。然后把数据的温度改为 1，使数据就是风格甲本身。也试试 1 个和 0 个示例。",
    look: "在“全部数字”中比较“熵 H”一行的微调前与微调后，以及旁边的数据 S。温度为 1 时再比较一次。数据 S 中风格乙占 12.5 %，这并不奇怪：每个回答两种风格都可能给出，表中每篇文本按它出自风格乙的概率计入风格乙。",
    after:
      "温度为 0.5 时，微调后的模型的熵少约 0.5 nat，其中大部分是数据与整个风格相比所缺少的：是数据收窄了。温度为 1 时只差 0.09 nat：看过两个示例之后，基座模型对风格仍有一点不确定。在本页背后的较大世界的研究中（主张 C6），结果相同：风格相同时两者一样多样（0.002 nat），除非数据比风格更窄（0.33 nat）。",
    theory: "t3-shift-accounting-and-the-waterfall",
    theorem: "模型比语言少的熵是三项之和：只看部分 A 的条件化，数据在 A 内的收窄，以及训练剩下的差别：[H(P) − H(P_A)] + [H(P_A) − H(S)] + [H(S) − H(q)]。",
  },
  /** Before, examples leave at least 0.3 nat more than the tuning does, and the tuned model has the entropy of its data. */
  shown: (seen) => {
    const found = ends(seen);
    if (!found) return false;
    return found.first.entropy - found.last.entropy >= 0.3 && Math.abs(found.last.entropy - truth(seen).s) <= 0.05;
  },
};

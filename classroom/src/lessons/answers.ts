/** Lesson 7: one answer per prompt, and who gave it. */

import type { Lesson } from "../contract";
import { target } from "../laws";
import { ends, truth, viewed } from "./reading";

export const lesson: Lesson = {
  id: "answers",
  settings: { keep: "everything", answers: 1, epochs: 60, annotator: "sampled", optimizer: "adam", rate: 0.003, targets: "exact" },
  budget: { steps: 60, seconds: 8 },
  en: {
    title: "One answer per prompt, and who gave it",
    question:
      "The data hold one answer to each of the four prompts. Each was drawn at random from the whole language, with all its styles. The training sees these four texts 60 times. How does the model answer then?",
    choices: [
      "As variedly as the language, from which the answers were drawn.",
      "With one sure answer to every prompt, always in the same style.",
      "With one sure answer to each prompt, in whatever style was drawn for it.",
    ],
    do: "Train, and look at all four prompts. Change the seed. Then choose “always the likeliest answer”, and change the seed once more. At last go back to “answers as varied as the data”, and take 16 answers per prompt.",
    look: "In “Twelve answers to one prompt”, go through the prompts: which styles do you see? In “All numbers”, read the row “entropy H”.",
    after:
      "The data have entropy 0 at every prompt, and the model goes there, because the best model is the law of the data. Who gave the answers decides which one it is. A draw differs by prompt and by seed. Who always gives the likeliest answer gives the same one for every seed, and still not the same style: here three prompts get a plain answer, and one gets one of the assistant. In the study of larger worlds behind this page (claim C3) prompts that were never trained became sure as well (0.25 of 3.1 nat were left), but only the likeliest-answer annotator made them say the same.",
    theory: "t15-what-m-answers-show",
    theorem:
      "With m independent answers per prompt, two draws from the data agree with the mean probability C + (1 − C)/m, where C is that of the language. For m = 1 they always agree: the entropy is 0.",
  },
  zh: {
    title: "每个提示一个回答，又是谁写的",
    question:
      "数据里四个提示各有一个回答，每个都是从整个语言中随机抽取的，各种风格都有可能。训练把这四条文本看 60 遍。之后模型怎样回答？",
    choices: ["像抽取这些回答的语言一样多样。", "每个提示都有一个确定的回答，风格总是相同。", "每个提示各有一个确定的回答，抽到什么风格就是什么风格。"],
    do: "开始训练，看完四个提示。换一个随机种子。然后改为“总写最可能的回答”，再换一次种子。最后改回“与数据一样多样”，并取每个提示 16 个回答。",
    look: "在“同一个提示，十二个回答”中逐个看提示：出现了哪些风格？在“全部数字”中读“熵 H”这一行。",
    after:
      "数据在每个提示下的熵都是 0，模型也走到那里，因为最优的模型就是数据的分布。谁写的回答决定了是哪一个回答。随机抽取的因提示和种子而异；总写最可能的回答的人，不论哪个种子写的都一样，但各提示的风格仍不相同：这里有三个提示得到平实的回答，一个得到助手的回答。在本页背后的较大世界的研究中（主张 C3），没有训练过的提示也变得确定（3.1 nat 只剩 0.25），但只有总写最可能的回答的人才会让它们都说同一句话。",
    theory: "t15-what-m-answers-show",
    theorem: "每个提示独立取 m 个回答时，从数据中抽两次、抽到同一个回答的概率平均为 C + (1 − C)/m，其中 C 是语言本身的这个概率。m = 1 时两次总是相同，熵为 0。",
  },
  /** At most 0.15 nat are left, and at every prompt the answer of the data has at least 90 %. */
  shown: (seen) => {
    const found = ends(seen);
    if (!found || truth(seen).s > 1e-9) return false;
    const { logS } = target(seen.world, seen.settings);
    const last = seen.tuning[seen.tuning.length - 1].logQ;
    const sure = viewed(seen).rows.every((rows) => rows.some((row) => logS[row] > -Infinity && Math.exp(last[row]) >= 0.9));
    return sure && found.last.entropy <= 0.15 && found.first.entropy >= 2;
  },
};

/** Lesson 10: can the temperature undo it? */

import type { Lesson } from "../contract";
import { ends, read } from "./reading";

export const lesson: Lesson = {
  id: "temperature",
  settings: { keep: "style", style: 3, optimizer: "adam", rate: 0.002, steps: 100, decode: 2, targets: "exact" },
  budget: { steps: 100, seconds: 10 },
  en: {
    title: "Can the temperature undo it?",
    question:
      "After the tuning on one style, the answers are drawn at temperature 2: every rare word becomes likelier. The language has 78 % of other styles. What comes back?",
    choices: [
      "The lost styles: they were only unlikely.",
      "Nothing: all answers stay in the tuned style.",
      "Hardly any lost style: what is new is mostly not in the language.",
    ],
    do: "Train, and wait until the training rests. Then move the decoding temperature between 1 and 3. It needs no new training. Press “Draw again” a few times.",
    look: "In “Twelve answers to one prompt”, count the marks of lost styles and the crosses. In “All numbers”, compare the rows of the styles with “not in the language”, after the tuning and in the control.",
    after:
      "Heating makes lost styles likelier against the kept one, but illegal words gain even more: the odds of lost against illegal tokens fall as the temperature rises. In this world no temperature brings back even 2 % of lost styles. In the study of larger worlds behind this page (claim C6) at most 1.1 % of lost styles came back while 90 % of the answers were valid; the language has 75 % of them.",
    theory: "t22-a-temperature-pays-for-lost-styles-with-illegal-tokens",
    theorem:
      "At the word that decides the style, let the lost words be equally likely, and the illegal ones too and rarer. As the temperature rises above 1, lost words gain on kept ones, and illegal words gain on lost ones.",
  },
  zh: {
    title: "提高温度能挽回吗？",
    question: "只用一种风格微调之后，按解码温度 2 抽取回答：罕见的词都变得更容易出现。语言中有 78 % 是别的风格。什么会回来？",
    choices: ["丢失的风格：它们只是概率小了。", "什么都不会：所有回答仍是微调的风格。", "丢失的风格几乎没有：新出现的大多不属于该语言。"],
    do: "开始训练，等到训练停下。然后在 1 和 3 之间移动解码温度，不需要重新训练。多按几次“重新抽样”。",
    look: "在“同一个提示，十二个回答”中，数一数丢失的风格的记号和叉号。在“全部数字”中，把各风格的行与“不属于该语言”一行作比较，微调后和对照都要看。",
    after:
      "升温使丢失的风格相对于保留的风格更容易出现，但不合法的词元得到的更多：温度升高时，丢失的词元与不合法的词元之比下降。在这个世界里，没有哪个温度能让丢失的风格回到 2 %。在本页背后的较大世界的研究中（主张 C6），当 90 % 的回答仍然合法时，丢失的风格最多回来 1.1 %；而语言中它们占 75 %。",
    theory: "t22-a-temperature-pays-for-lost-styles-with-illegal-tokens",
    theorem: "在决定风格的那个词元处，设丢失的各词元概率相等，不合法的各词元概率也相等且更小。温度从 1 升高时，丢失的词元相对于保留的增多，不合法的又相对于丢失的增多。",
  },
  /** At the decoding temperature at least 10 % are not in the language, and at most 5 % are lost styles. */
  shown: (seen) => {
    const found = ends(seen);
    if (!found) return false;
    if (seen.decoded && !seen.decoded.tuning) return false; // the training does not rest yet
    const heated = seen.decoded?.tuning ? read(seen, seen.decoded.tuning) : found.last; // frames of a recorded run are decoded
    return heated.outside >= 0.1 && heated.lost <= 0.05;
  },
};

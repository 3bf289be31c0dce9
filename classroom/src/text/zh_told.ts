/** Lines of the engine, the laws and own sentences that say what is wrong, in Chinese: how each begins, and what it says. */

const LINES: readonly (readonly [RegExp, string])[] = [
  [/^keep: .*/, "数据：所选的部分里没有任何回答，请换一个部分。"],
  [/^control: .*/, "对照：数据没有去掉任何回答，所以没有同样大小的随机回答可选。请换一种数据，或换一种对照。"],
  [/^shots: (0 to \d+) .*a style from (0 to \d+).*found (.*?); .*/, "示例数应在 $1 之间，风格应在 $2 之间，现在是 $3，请换一个。"],
  [/^(?:temperature|decode): .*found (.*?); .*/, "温度应为正数，现在是 $1。"],
  [/^rate: .*found (\S+) \(nan at step (\d+)\).*/, "学习率 $1 太大，训练在第 $2 步发散了，请把它调低。"],
  [/^model: .*/, "这个浏览器无法训练 Transformer，请改用表格模型。"],
  [/^q0: log q0 .*/, "这个浏览器算出的 q₀ 与事先算好的不同，请换一个浏览器。"],
  [/^q0: (\d+) .*found (\d+); .*/, "q₀ 应有 $1 个参数，现在有 $2 个。"],
  [/^world: .*/, "这个语言没有预训练好的模型。"],
  [/^line (\d+): at most "sentence.*found (\d+) parts.*/, "第 $1 行：最多三个部分（句子 | 风格 | 权重），现在有 $2 个，请去掉一个 |。"],
  [/^line (\d+): a sentence before .*/, "第 $1 行：第一个 | 之前没有句子，请写上，或者删去这一行。"],
  [/^line (\d+): at most (\d+) words .*found (\d+); .*/, "第 $1 行：最多 $2 个词（中文按字计），现在有 $3 个，请缩短。"],
  [/^line (\d+): a positive number .*found "(.*)"; .*/, "第 $1 行：权重应为正数，现在是“$2”；可以写 2 这样的数，也可以不写。"],
  [/^line (\d+): one style .*found "(.*)" after "(.*)"; .*/, "第 $1 行：同一个句子只能有一种风格，现在是“$2”，前面却是“$3”，请改成一样。"],
  [/^line (\d+): at most (\d+) different .*/, "第 $1 行：最多 $2 个不同的句子，请删去一些。"],
  [/^own: at least (\d+) .*found (\d+); .*/, "至少要有 $1 个不同的句子，现在有 $2 个，请再写几行。"],
  [/^own: at most (\d+) styles .*found (\d+); .*/, "最多 $1 种风格，现在有 $2 种，请少用几种。"],
];

/** A line in Chinese; a line that is not in the list, such as one of the browser, stays as it is. */
export function told(line: string): string {
  const [from, to] = LINES.find(([begin]) => begin.test(line)) ?? [line, line];
  return line.replace(from, to).replace(/(\d+) to (\d+)/g, "$1 到 $2");
}

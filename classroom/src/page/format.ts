/** Numbers as text. A number of the page is exact, bounded or estimated, and says so. */

import type { Bounds } from "../contract.js";

/** Whether two bounds are one number (up to rounding in float64). */
export function exact(bounds: Bounds): boolean {
  return bounds.upper - bounds.lower < 1e-9;
}

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

const ROUNDING = 1e-12; // smaller numbers of nats are rounding of the sums, and shown as 0; the page says so

/** A number of nats: three decimals from 0.001 on, a power of ten below. */
export function nats(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (Math.abs(value) < ROUNDING) return "0";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value !== 0 && Math.abs(value) < 0.0005) return power(value);
  return value.toFixed(3).replace("-", "−").replace(/^−(0\.0+)$/, "$1");
}

/** A number of nats for a label inside of a picture: two decimals. The exact number is in the reading and in the table. */
export function short(value: number): string {
  if (Math.abs(value) < ROUNDING) return "0";
  return value > 0 && value < 0.005 ? "< 0.01" : value.toFixed(2).replace("-", "−");
}

/** A probability as per cent: one decimal from 0.1 % on, a power of ten below. */
export function percent(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (value === 0) return "0\u00a0%";
  if (Math.abs(value) < 0.001) return `${power(value * 100)}\u00a0%`;
  const text = (100 * value).toFixed(1);
  return `${text === "100.0" ? (value < 1 - 1e-12 ? ">99.9" : "100") : text}\u00a0%`;
}

/** A number as a times a power of ten. */
export function power(value: number): string {
  const [digits, exponent] = value.toExponential(1).split("e") as [string, string];
  const sign = exponent.startsWith("-") ? "⁻" : "";
  const raised = exponent.replace(/[+-]/, "").split("").map((d) => SUPERSCRIPT[Number(d)]).join("");
  return `${digits.replace("-", "−")} × 10${sign}${raised}`;
}

/** A short number of a control, such as a rate. */
export function plain(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.01) return power(value).replace("1.0 × ", "");
  return String(Math.round(value * 1e4) / 1e4).replace("-", "−");
}

/** A count: one decimal below ten, none above. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

/** A sentence without the spaces that stand before its punctuation only to separate tokens. */
export function tidy(text: string): string {
  return text.replace(/ ([.,!?])/g, "$1");
}

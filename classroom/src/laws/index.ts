export { decoded } from "./decoding";
export { answers, entropy, gateErasure, kl, likelyOutside, styleMass } from "./measures";
export { halves, hashOf, uniform } from "./numbers";
export { parseOwn } from "./own";
export { controlTarget, stepsOf, target } from "./targets";
export { posterior, promptText, shown, trieOf, viewOf } from "./views";

/** The lessons in the order of the course. A test checks that every lesson of this folder is among them. */

import type { Lesson } from "../contract";
import { lesson as answers } from "./answers";
import { lesson as blind } from "./blind";
import { lesson as decay } from "./decay";
import { lesson as entropy } from "./entropy";
import { lesson as examples } from "./examples";
import { lesson as gate } from "./gate";
import { lesson as rank } from "./rank";
import { lesson as replay } from "./replay";
import { lesson as steps } from "./steps";
import { lesson as temperature } from "./temperature";

export const lessons: Lesson[] = [entropy, gate, decay, replay, blind, steps, answers, examples, rank, temperature];

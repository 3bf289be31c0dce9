"""What every example of a trainer needs: an exported world, the announced arms, batches, and the files to hand in.

It needs numpy alone, and nothing of the simulator. A *row* is the number of a document in `documents.jsonl`.
"""

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from exam_arms import ARMS, Arm, Plan, Refused
from exam_arms import read_arms as read_arms


def arguments(about: str | None) -> argparse.ArgumentParser:
    """Return the arguments that all examples have."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("world", type=Path, help="a folder that python -m sim.export wrote")
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--arms", type=Path, default=ARMS, help="the file of arms (default: the announced ones)")
    parser.add_argument("--seed", type=int, default=0, help="seed of parameters and data (default 0)")
    return parser


@dataclass(frozen=True, eq=False)
class World:
    """An exported world with prompts: documents, ids [N, L] (start, words, end, padding), and log P, log S [nat].

    given: how many ids of a row are the start and the prompt; length: how many are not padding; group: the number of
    its prompt, in the order in which prompts first stand in the file.
    """

    folder: Path
    about: Mapping[str, Any]
    documents: list[Mapping[str, Any]]
    ids: np.ndarray
    given: np.ndarray
    length: np.ndarray
    group: np.ndarray
    log_p: np.ndarray
    log_s: np.ndarray
    vocab_size: int
    special: Mapping[str, int]

    @property
    def scored(self) -> np.ndarray:
        """Which of the ids 1, 2, ... are part of the answer or its end: bool[N, L - 1]."""
        at = np.arange(1, self.ids.shape[1])
        return np.asarray((at >= self.given[:, None]) & (at < self.length[:, None]))

    @property
    def whole(self) -> np.ndarray:
        """Which of the ids 1, 2, ... are part of the document or its end: bool[N, L - 1]."""
        return np.asarray(np.arange(1, self.ids.shape[1]) < self.length[:, None])

    def kl(self, log_q: np.ndarray) -> float:
        """KL(P‖q) of answers, averaged over P(x) [nat], from log q(y|x), float64[N]."""
        law, there = np.exp(self.log_p), self.log_p > -np.inf
        log_given = self.log_p - np.log(np.bincount(self.group, law))[self.group]
        return float((law[there] * (log_given - log_q)[there]).sum())

    def in_tokens(self, rows: list[list[int]], given: list[int], vocab_size: int, pad: int) -> "World":
        """Return the same documents in the ids of another tokenizer, each row with its end and without padding."""
        ids, length = np.full((len(rows), max(map(len, rows))), pad, np.int64), np.array([len(one) for one in rows])
        for row, one in zip(ids, rows, strict=True):
            row[: len(one)] = one
        return replace(self, ids=ids, given=np.array(given), length=length, vocab_size=vocab_size)


def read_world(folder: Path) -> World:
    """Return an exported world. Raises Refused if the folder is none, or if its documents have no prompts."""
    for name in ("exam.json", "documents.jsonl", "tokenizer/tokenizer.json", "world.safetensors"):
        if not (folder / name).is_file():
            raise Refused(
                f"{folder}: a world that python -m sim.export wrote is required, found no {name}; "
                f"write one with python -m sim.export english_small@1 {folder}"
            )
    about = json.loads((folder / "exam.json").read_text("utf-8"))
    documents = [json.loads(line) for line in (folder / "documents.jsonl").read_text("utf-8").splitlines()]
    if "prompt" not in documents[0]:
        raise Refused(
            f"{folder}: a world with prompts is required, found {about['name']} without; export one such as "
            "english_small@1, chinese_small@1 or styles_content_small@1"
        )
    vocabulary = json.loads((folder / "tokenizer/tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    special = {name: one["id"] for name, one in about["tokens"].items()}
    rows = [
        [special["start"], *(vocabulary[word] for word in (one["prompt"] + one["completion"]).split()), special["end"]]
        for one in documents
    ]
    prompts: dict[str, int] = {}
    group = np.array([prompts.setdefault(one["prompt"], len(prompts)) for one in documents])
    given = [1 + len(one["prompt"].split()) for one in documents]
    log_p, log_s = (
        np.array([-np.inf if one[name] is None else one[name] for one in documents]) for name in ("log_p", "log_s")
    )
    nothing = np.zeros(0, np.int64)
    found = World(folder, about, documents, nothing, nothing, nothing, group, log_p, log_s, 0, special)
    return found.in_tokens(rows, given, len(vocabulary), special["pad"])


def target(world: World, arm: Arm, seed: int) -> np.ndarray:
    """Return the law of documents on which an arm trains, float64[N]; it sums to 1.

    prompts: half conditions S on the prompts with an even number. annotator: one gives all of S(x) to one answer that
    is drawn from S(y|x), likeliest to the likeliest one. replay: (1 - λ) S + λ P.
    """
    law = np.exp(world.log_s)
    if arm.prompts == "half":
        law = np.where(world.group % 2 == 0, law, 0.0)
        law = law / law.sum()
    if arm.annotator != "sampled":
        random, single = np.random.default_rng([seed, 1]), np.zeros_like(law)
        for prompt in range(world.group.max() + 1):
            rows = np.flatnonzero((world.group == prompt) & (law > 0))
            if len(rows):
                own = law[rows]
                chosen = rows[own.argmax()] if arm.annotator == "likeliest" else random.choice(rows, p=own / own.sum())
                single[chosen] = own.sum()
        law = single
    return np.asarray((1 - arm.replay) * law + arm.replay * np.exp(world.log_p))


def batches(law: np.ndarray, arm: Arm, seed: int) -> np.ndarray:
    """Return the rows of all batches of an arm, int[steps, batch].

    sampled: independent draws; even: equal distances on the distribution function from one random start, so that every
    document is as frequent as the law says, up to one. After `switch` steps the targets change from sampled to even.
    """
    random, upto = np.random.default_rng([seed, 2]), np.cumsum(law)
    points = random.random((arm.steps, arm.batch))
    even = (points[:, :1] + np.arange(arm.batch)) / arm.batch
    first = arm.steps if arm.switch is None else arm.switch
    is_even = np.arange(arm.steps) >= first if arm.targets == "sampled" else np.ones(arm.steps, bool)
    at = np.where(is_even[:, None], even, points)
    found = np.searchsorted(upto, at * upto[-1], side="right")  # the sum is 1 up to rounding, and so may be a point
    return np.minimum(found, np.flatnonzero(law > 0)[-1])


def rate_at(step: int, steps: int, warmup: int) -> float:
    """Return the rate of step 0, 1, ... as a share of the peak: a linear warm-up, then half a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + float(np.cos(np.pi * (step - warmup) / max(1, steps - warmup))))


def truncated(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], rank: int) -> dict[str, np.ndarray]:
    """Return parameters in which the change of every matrix is its best approximation of a rank; vectors stay whole."""
    found = {}
    for name, old in before.items():
        change = np.asarray(after[name], np.float64) - old
        if change.ndim == 2 and rank < min(change.shape):
            left, values, right = np.linalg.svd(change, full_matrices=False)
            change = (left[:, :rank] * values[:rank]) @ right[:rank]
        found[name] = np.asarray(old + change)
    return found


class HandIn:
    """A new folder with what one trainer hands in: `about.json`, the world, and an npz for each model.

    before.npz has the model before the fine-tuning, and <arm>.npz a series of steps: id, step and log_q_answer [nat].
    """

    def __init__(
        self, folder: Path, world: World, plan: Plan, trainer: str, seed: int, own_tokenizer: bool = True
    ) -> None:
        if folder.exists():
            raise Refused(f"{folder}: a new folder is required, found one that exists; choose another name")
        self.folder, self.world = folder, world
        self.about: dict[str, Any] = {
            "trainer": trainer, "seed": seed, "tokenizer": "own" if own_tokenizer else "other",
            "arms": plan.digest, "limit": plan.pretrain["limit"],
        }  # fmt: skip

    def write(self, name: str, series: Mapping[int, np.ndarray]) -> None:
        """Write the log-probabilities of all documents, float64[N], at every step of a series."""
        if not self.folder.exists():
            (self.folder / "world").mkdir(parents=True)
            for file in ("exam.json", "world.safetensors"):
                shutil.copy(self.world.folder / file, self.folder / "world" / file)
        ids = np.array([one["id"] for one in self.world.documents])
        steps = np.repeat(list(series), len(ids))
        values = np.concatenate(list(series.values()))
        np.savez(self.folder / f"{name}.npz", id=np.tile(ids, len(series)), step=steps, log_q_answer=values)

    def close(self, **about: Any) -> None:
        """Write what is said about the trainer, and print what comes next. Without this the folder is not judged."""
        text = json.dumps(self.about | about, indent=1, sort_keys=True)
        (self.folder / "about.json").write_text(text + "\n", "utf-8")
        print(f"Written to {self.folder}. Judge it: python -m experiments carry_over {self.folder.parent}")


def evaluations(arm: Arm) -> Iterator[int]:
    """Iterate over the steps at which an arm is evaluated: every `every` steps, and the last one."""
    yield from (step for step in range(1, arm.steps + 1) if step % arm.every == 0 or step == arm.steps)

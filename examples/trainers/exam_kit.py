"""What every example of a trainer needs: an exported world, the announced arms, batches, and the files to hand in.

It needs numpy alone, and nothing of the simulator. A *row* is the number of a document in `documents.jsonl`.
"""

import argparse
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ARMS = Path(__file__).with_name("arms.json")
"""The announced arms: how models are pretrained and fine-tuned, the same for every trainer."""

RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "about": (lambda value: isinstance(value, str) and bool(value), "words"),
    "steps": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "batch": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "warmup": (lambda value: type(value) is int and value >= 0, "a whole number of at least 0"),
    "every": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "switch": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "rank": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "rate": (lambda value: isinstance(value, float) and value > 0, "a number above 0, such as 0.002"),
    "limit": (lambda value: isinstance(value, float) and value > 0, "a number of nats above 0, such as 0.05"),
    "replay": (lambda value: isinstance(value, float) and 0 <= value < 1, "a share from 0 to below 1, such as 0.01"),
    "targets": (lambda value: value in ("sampled", "even"), "sampled or even"),
    "prompts": (lambda value: value in ("all", "half"), "all or half"),
    "annotator": (lambda value: value in ("sampled", "one", "likeliest"), "sampled, one or likeliest"),
    "of": (lambda value: isinstance(value, str), "the name of an arm"),
}
"""What a value in the file of arms has to be, by its key, and the same in words."""

PRETRAIN, TUNE = ("steps", "batch", "rate", "warmup", "limit"), ("steps", "batch", "rate", "warmup", "every")
OWN = (*TUNE, "about", "targets", "switch", "replay", "prompts", "annotator")
EDIT = ("about", "of", "rank")


def arguments(about: str | None) -> argparse.ArgumentParser:
    """Return the arguments that all examples have."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("world", type=Path, help="a folder that python -m sim.export wrote")
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--arms", type=Path, default=ARMS, help="the file of arms (default: the announced ones)")
    parser.add_argument("--seed", type=int, default=0, help="seed of parameters and data (default 0)")
    return parser


class Refused(Exception):  # noqa: N818, it is no error of the program
    """Bad input; its text is one line for the user."""


@dataclass(frozen=True)
class Arm:
    """A way to fine-tune, or with `of` and `rank` an edit of a model: see the README of this folder.

    rate: the peak of a cosine decay to 0 after a linear warm-up [steps]; every: steps between two evaluations.
    """

    name: str
    about: str = ""
    steps: int = 0
    batch: int = 0
    rate: float = 0.0
    warmup: int = 0
    every: int = 1
    targets: str = "sampled"
    switch: int | None = None
    replay: float = 0.0
    prompts: str = "all"
    annotator: str = "sampled"


@dataclass(frozen=True)
class Plan:
    """The content of a file of arms: `pretrain` by key, arms by name, and edits by name as (arm, rank)."""

    pretrain: Mapping[str, Any]
    arms: Mapping[str, Arm]
    edits: Mapping[str, tuple[str, int]]
    digest: str  # of all that decides about the fine-tuning, so that the judge knows the announced arms


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


def read_arms(file: Path = ARMS) -> Plan:
    """Return the arms of a file. Raises Refused for what is no such file, in one line."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except OSError as problem:
        raise Refused(f"{file}: a file of arms is required, found {(problem.strerror or 'none').lower()}") from None
    except ValueError as problem:
        raise Refused(f"{file}: JSON is required, found an error: {problem}; correct it") from None
    top = ("format", "pretrain", "finetune", "arms", "edits")
    if not isinstance(found, dict) or set(found) != set(top) or found["format"] != 1:
        raise Refused(f"{file}: the keys {', '.join(top)} with format 1 are required, found others; copy {ARMS}")
    pretrain = _checked(file, "pretrain", found["pretrain"], PRETRAIN, PRETRAIN)
    shared = _checked(file, "finetune", found["finetune"], TUNE, TUNE)
    named = {part: _mapping(file, part, found[part]) for part in ("arms", "edits")}
    arms = {
        name: Arm(name, **(shared | _checked(file, f"arms.{name}", one, OWN))) for name, one in named["arms"].items()
    }
    edits = {}
    for name, one in named["edits"].items():
        edit = _checked(file, f"edits.{name}", one, EDIT, EDIT)
        if edit["of"] not in arms:
            raise Refused(f"{file}: edits.{name}.of: one of {', '.join(arms)} is required, found {edit['of']!r}")
        edits[name] = (edit["of"], edit["rank"])
    return Plan(pretrain, arms, edits, digest(arms, edits))


def digest(arms: Mapping[str, Arm], edits: Mapping[str, tuple[str, int]]) -> str:
    """Return twelve hex digits of a SHA-256 of arms and edits, without their words."""
    settings = {name: {key: value for key, value in vars(arm).items() if key != "about"} for name, arm in arms.items()}
    return hashlib.sha256(json.dumps([settings, edits], sort_keys=True).encode()).hexdigest()[:12]


def _mapping(file: Path, place: str, found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise Refused(f"{file}: {place}: a mapping is required, found {found!r}")
    return found


def _checked(
    file: Path, place: str, found: Any, known: tuple[str, ...], needed: tuple[str, ...] = ()
) -> dict[str, Any]:
    for key in needed:
        if key not in _mapping(file, place, found):
            raise Refused(f"{file}: {place}: the key {key} is required, found none; copy {ARMS}")
    for key, value in _mapping(file, place, found).items():
        if key not in known:
            raise Refused(f"{file}: {place}: one of the keys {', '.join(known)} is required, found {key!r}")
        holds, words = RULES[key]
        if not holds(value):
            raise Refused(f"{file}: {place}.{key}: {words} is required, found {value!r}")
    return dict(found)


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
    found = np.searchsorted(upto, at * upto[-1], side="right")
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
        (folder / "world").mkdir(parents=True)
        for name in ("exam.json", "world.safetensors"):
            shutil.copy(world.folder / name, folder / "world" / name)
        self.folder, self.ids = folder, np.array([one["id"] for one in world.documents])
        self.about: dict[str, Any] = {
            "trainer": trainer,
            "seed": seed,
            "tokenizer": "own" if own_tokenizer else "other",
        }
        self.about |= {"arms": plan.digest, "limit": plan.pretrain["limit"]}

    def write(self, name: str, series: Mapping[int, np.ndarray]) -> None:
        """Write the log-probabilities of all documents, float64[N], at every step of a series."""
        steps = np.repeat(list(series), len(self.ids))
        values = np.concatenate(list(series.values()))
        np.savez(self.folder / f"{name}.npz", id=np.tile(self.ids, len(series)), step=steps, log_q_answer=values)

    def close(self, **about: Any) -> None:
        """Write what is said about the trainer, and print what comes next. Without this the folder is not judged."""
        text = json.dumps(self.about | about, indent=1, sort_keys=True)
        (self.folder / "about.json").write_text(text + "\n", "utf-8")
        print(f"Written to {self.folder}. Judge it: python -m experiments carry_over {self.folder.parent}")


def evaluations(arm: Arm) -> Iterator[int]:
    """Iterate over the steps at which an arm is evaluated: every `every` steps, and the last one."""
    yield from (step for step in range(1, arm.steps + 1) if step % arm.every == 0 or step == arm.steps)

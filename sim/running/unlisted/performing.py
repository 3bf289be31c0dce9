"""Do a run whose strings are not listed: pretrain on P, fine-tune on S, the same on P as a control, and publish."""

import itertools
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from sim.config import GROUPS, described
from sim.disk import checkpoints, ledger, store
from sim.disk.files import FinishedError
from sim.disk.phase_record import PhaseRecord
from sim.disk.records import RESULTS_VERSION
from sim.disk.stacking import stacked
from sim.disk.store import Pretrained
from sim.laws.device.law import on_device
from sim.models._cached import continued, drawn
from sim.numerics import SpecificationError
from sim.phases import MEANINGS, Stage
from sim.running.claimed import ClaimedRun, refusal
from sim.running.identity import beside, digests, grammar_file, pretraining_content, pretraining_key, without_text
from sim.running.outcomes import Outcome, failure
from sim.running.provenance import provenance
from sim.running.unlisted.asked import Part, UnlistedRun, build
from sim.running.unlisted.feeding import Feeding, Saver, feeding
from sim.training.fed import logits
from sim.training.flat import flat, unflat
from sim.training.simulation import Observer, phase_key
from sim.training.sweep import Trained
from sim.typing import Params
from sim.unlisted.looks import log_prob, log_softmax, look
from sim.unlisted.record import LANGUAGES, UnlistedRecord, judged_by, write
from sim.unlisted.twisted import Drafter, draw
from sim.unlisted.world import Seen

Where: TypeAlias = Literal["host", "device"]

JUDGED = "judged"
"""Name of the random stream of the rows by which models are judged. They are the same for all phases of a run."""

FEWEST = 32
"""The smallest number of rows that a program continues; fewer are filled up."""

PART = 1 << 22
"""Most numbers of next-token laws that are held in float64 for one step of judging."""


def perform_unlisted(
    place: Path, chosen: Mapping[str, Any], seconds: float, observe: Observer, laws: Where = "host"
) -> Outcome:
    """Do the run of a canonical configuration, and return its outcome. `seconds`: the time between checkpoints;
    `laws`: where exact targets are computed.

    An error becomes the outcome of the run. Only an interruption is raised; what was trained so far is kept.
    """
    try:
        lock = ledger.claim(place)
    except (OSError, SpecificationError) as problem:
        return failure(place, problem)
    if lock is None:
        return refusal(place)
    run = ClaimedRun(chosen, place, lock)
    try:
        if place.exists():
            ledger.clear(place)
            run.ended = Outcome(place, "kept")
        else:
            run.note("pretrain", 0, chosen["pretrain"]["num_steps"], now=True)
            _Doing(run, build(chosen), seconds, observe, laws).all()
    except Exception as problem:
        if run.ended is None:
            run.fail(problem)
    finally:
        lock.release()
    assert run.ended is not None
    return run.ended


class _Doing:
    """The phases of one run, one after the other."""

    def __init__(self, claimed: ClaimedRun, run: UnlistedRun, seconds: float, observe: Observer, laws: Where) -> None:
        self.claimed, self.run, self.seconds, self.observe, self.where = claimed, run, seconds, observe, laws
        self.moved: dict[int, Seen] = {}
        self.data = {
            "pretrain": self._placed(run.pretrain, run.world.p),
            "sft": self._placed(run.finetune, run.world.s),
            "identity": self._placed(run.finetune, run.world.p),
        }
        rng = np.random.default_rng([run.seed, int.from_bytes(JUDGED.encode(), "big")])
        self.rows, self.laws = judged_by(run.world, run.rows, rng)
        self.speed: dict[str, Any] = {}

    def _placed(self, part: Part, data: Seen) -> Seen:
        """The data of a phase, with a law that is computed where it should be; one without a device form is refused."""
        if self.where == "host" or not part.reads_laws:
            return data
        if id(data.law) not in self.moved:
            self.moved[id(data.law)] = Seen(on_device(data.law), data.length)
        return self.moved[id(data.law)]

    def all(self) -> None:
        """Do every phase, and publish the record."""
        first = self._pretrained()
        shape = jax.eval_shape(self.run.model.init, jax.random.key(0))
        params = jax.tree.map(jnp.asarray, unflat(first.params, shape))
        tuned = {"sft": self._train("sft", "finetune", self.run.finetune, params)}
        if self.run.controlled:
            tuned["identity"] = self._train("identity", "finetune", self.run.finetune, params)
        self._publish(first, {name: one.trained for name, one in tuned.items()})

    def _pretrained(self) -> Pretrained:
        """Return q0: from the store, or trained here, or by another process that this one waits for."""
        chosen = self.claimed.chosen
        outputs, key = chosen["outputs"], pretraining_key(chosen)
        place = store.entry(outputs, key)
        lock = ledger.claim(place, wait=True)
        assert lock is not None, "a process that waits gets the lock"
        with lock:
            found = store.load(outputs, key)
            if found is None:
                begun = self.run.model.init(phase_key(self.run.seed, "init"))
                one = self._train("pretrain", "pretrain", self.run.pretrain, begun, place)
                content = pretraining_content(chosen)
                facts = provenance() | {"speed": self.speed["pretrain"]}
                trained = one.trained
                found = Pretrained(_recorded(trained), flat(trained.params), flat(trained.opt_state), facts, content)
                store.save(outputs, key, found)
            ledger.clear(place)
        return found

    def _train(self, name: str, stage: Stage, part: Part, params: Params, owner: Path | None = None) -> Feeding:
        """Do one training, from its last checkpoint. Pretraining is looked at by rows of P alone, as it knows no S."""
        folder = ledger.work(self.claimed.target if owner is None else owner)
        judges = LANGUAGES if stage == "finetune" else LANGUAGES[:1]
        one = feeding(
            name, part, self.data[name], self.run.seed, self.run.model, params, partial(self._look, name, judges)
        )
        arrays = checkpoints.load(folder, name)
        if arrays is not None:
            with suppress(
                KeyError, IndexError, ValueError
            ):  # of another configuration of devices, or torn: it begins again
                one.resume(arrays)
        saver = Saver(folder, self.seconds)

        def seen(step: int, loss: float) -> None:
            self.claimed.note(stage, step, part.num_steps)
            if self.claimed.ended is not None:
                raise SpecificationError(self.claimed.ended.reason)
            self.observe(stage, step, part.num_steps, [loss])

        try:
            one.train(seen, saver)
        except KeyboardInterrupt:
            if one.state is not None:
                saver.write(one)
            raise
        if self.seconds < one.took:
            saver.write(one)
        self.speed[name] = {"seconds": one.took, "waited": one.waited, "steps": part.num_steps, "laws": self.where}
        return one

    def _look(self, name: str, judges: tuple[str, ...], params: Params, at_end: bool) -> dict[str, np.ndarray]:
        """What a record holds of a model, see `UnlistedRecord`."""
        model = self.run.model
        found: dict[str, np.ndarray] = {}
        for judge in judges:
            rows, law = self.rows[f"{judge}_rows"], self.laws[judge]
            size = max(1, PART // law[0].size)
            parts = [
                look(
                    log_softmax(logits(model, params, rows[at : at + size])), law[at : at + size], rows[at : at + size]
                )
                for at in range(0, len(rows), size)
            ]
            found |= {f"{judge}_{key}": np.concatenate([one[key] for one in parts]) for key in parts[0]}
        if at_end and len(judges) > 1:
            params = jax.device_put(params, jax.devices()[0])  # before and after the training alike, for one program
            found |= self._own(params, name)
            if self.run.world.leaves_out and self.run.lost:
                found |= self._left_out(params, name)
        return found

    def _own(self, params: Params, name: str) -> dict[str, np.ndarray]:
        """Rows that the model itself draws, with their log-probabilities in q, P and S [nat]."""
        model, world = self.run.model, self.run.world
        rows = np.asarray(drawn(model, params, phase_key(self.run.seed, f"{name} own"), self.run.own))
        return {
            "own_rows": rows.astype(np.int32),
            "own_log_q": log_prob(log_softmax(logits(model, params, rows)), rows),
            "own_log_p": world.p.log_prob(rows),
            "own_log_s": world.s.log_prob(rows),
        }

    def _left_out(self, params: Params, name: str) -> dict[str, np.ndarray]:
        """Twisted draws: rows of what S leaves out, drawn from the model, with the weights that make up for it."""
        model, world = self.run.model, self.run.world
        key, rounds = phase_key(self.run.seed, f"{name} left out"), itertools.count()

        def follow(rows: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
            size = min(len(rows), max(FEWEST, 1 << (len(wanted) - 1).bit_length()))  # few sizes, so few programs
            place = np.resize(wanted, size)
            own = jax.random.fold_in(key, next(rounds))
            found = continued(model, params, own, rows[place], known[place], place, number=len(rows))
            return np.asarray(found)[: len(wanted)]

        def log_laws(rows: np.ndarray) -> np.ndarray:
            return log_softmax(logits(model, params, rows))

        rng = np.random.default_rng([self.run.seed, *f"{name} left out".encode()])
        size = max(1, PART // (world.length * world.vocab_size))
        found = draw(world, self.run.lost, rng, Drafter(follow, log_laws, size))
        return {"lost_rows": found.rows, "lost_log_weight": found.log_weight}

    def _publish(self, first: Pretrained, tuned: Mapping[str, Trained]) -> None:
        chosen, claimed = self.claimed.chosen, self.claimed
        claimed.note("finetune", chosen["finetune"]["num_steps"], chosen["finetune"]["num_steps"], now=True)
        if claimed.ended is not None:
            return
        phases = {"pretrain": first.phase} | {name: _recorded(one) for name, one in tuned.items()}
        params = {"pretrain": first.params} | {name: flat(one.params) for name, one in tuned.items()}
        facts = {
            "provenance": provenance(),
            "seconds": time.monotonic() - claimed.began,
            "identity": {"results_version": RESULTS_VERSION, "content": beside(chosen)},
            "grammar_file": grammar_file(chosen),
            "members": digests(chosen),
            "described": {group: described(group, chosen[group]) for group in GROUPS},
            "world": self.run.world.facts(),
            "vocabulary": list(self.run.world.p.law.vocabulary.symbols),
            "parameters": int(sum(one.size for one in first.params.values())),
            "speed": self.speed | {"pretrain": first.facts.get("speed", {})},
            "pretraining": self._reached(first),
        }
        record = UnlistedRecord(
            chosen["name"],
            claimed.target.name,
            without_text(chosen),
            self.rows,
            phases,
            json.loads(json.dumps(facts)),
            params,
            {phase: MEANINGS[phase] for phase in phases},
        )
        try:
            write(record, claimed.target)
            claimed.ended = Outcome(claimed.target, "finished")
        except FinishedError:
            claimed.ended = Outcome(claimed.target, "kept")
        ledger.clear(claimed.target)

    def _reached(self, first: Pretrained) -> dict[str, Any]:
        """How near q0 is to P: KL(P||q0) [nat per token], estimated, beside `pretrain.limit`."""
        reached = float(first.phase.arrays["p_kl_at"][-1].sum(axis=1).mean()) / _tokens(self.rows["p_rows"])
        limit = self.claimed.chosen["pretrain"]["limit"]
        return {"joint_kl": reached, "limit": limit, "valid": bool(reached <= limit), "per": "token"} | {
            "provenance": dict(first.facts)
        }


def _tokens(rows: np.ndarray) -> float:
    """The mean number of tokens that are predicted in a row, the end included."""
    lengths = (rows != 0).sum(axis=1)
    return float(np.minimum(lengths + 1, rows.shape[1]).mean())


def _recorded(trained: Trained) -> PhaseRecord:
    return PhaseRecord(
        np.array(trained.steps, np.int64), np.array(trained.losses, np.float64), stacked(trained.evaluations)
    )

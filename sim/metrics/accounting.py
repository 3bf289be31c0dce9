"""Rows that account for entropy and divergence: the diversity waterfall, the parts of KL(S‖P), facts of the world."""

from collections.abc import Iterator

import numpy as np

from sim.metrics.divergence import kl
from sim.metrics.entropy import entropy_of
from sim.metrics.forgetting import latent_shift_accounting, shift_accounting, waterfall
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.quantity import Quantity


def _waterfall(part: str) -> Metric:
    """One step of H(P) - H(q) [nat]. A model that is trained on P keeps everything, so its first two steps are 0."""

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        if evaluation.is_truth or evaluation.meaning.data == "P_B":  # the steps do not apply to relearning on P_B
            return
        whole = evaluation.meaning.data == "P"
        law = evaluation.world.law_names[0 if whole else 1]
        names = ("P", "P", "P") if whole else ("P", "P_A", "S")
        h_p, h_kept, h_s = (entropy_of(evaluation.world.truth, of, law) for of in names)
        steps = waterfall(h_p, h_kept, h_s, entropy_of(evaluation, "q", law))
        yield Cell("H(P)-H(q)", getattr(steps, part), law)

    said = {
        "conditioning": "entropy lost because part of P is left out: H(P) − H(P_A)",
        "narrowing": "entropy lost because the data are narrower than P on that part: H(P_A) − H(S)",
        "learning": "entropy lost because the model differs from its data: H(S) − H(q)",
    }
    return Metric(f"waterfall_{part}", part, "nat", said[part], measure)


def _objective_gap(evaluation: Evaluation) -> Iterator[Cell]:
    if evaluation.is_truth or evaluation.meaning.data == "P_B":
        return
    whole = evaluation.meaning.data == "P"
    if whole or evaluation.world.best is not None:
        truth, law = evaluation.world.truth, evaluation.world.law_names[0 if whole else 1]
        names = ("P", "P") if whole else ("S", "q*")
        gap = entropy_of(truth, names[0], law) - entropy_of(truth, names[1], law)
        yield Cell("H(S)-H(q*)", gap, law)


def _shift(part: str) -> Metric:
    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        if evaluation.is_truth:
            world = evaluation.world
            event, law = world.record.restricted.event, world.s_law
            found = evaluation.once("shift", lambda: shift_accounting(world.p, world.s, world.kept, event, law))
            yield Cell("S||P", Quantity.of(getattr(found, part)), world.law_names[1])

    said = {"total": "KL(S‖P)", "conditioning": "−log P(A)", "narrowing": "KL(S‖P_A)"}
    return Metric(f"shift_{part}", said[part], "nat", "KL(S‖P) = −log P(A) + KL(S‖P_A)", measure)


def _latent_shift(part: str) -> Metric:
    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        world, member = evaluation.world, evaluation.world.record.restricted.log_member
        if evaluation.is_truth and member is not None:
            law = world.s_law
            found = evaluation.once("latent shift", lambda: latent_shift_accounting(world.p, world.s, member, law))
            yield Cell("S||P", Quantity.of(getattr(found, part)), world.law_names[1])

    said = {"total": "KL(S‖P)", "conditioning": "−log P(z)", "narrowing": "KL(S‖P_z)", "overlap": "E_S log P(z|x,y)"}
    described = "KL(S‖P) for overlapping styles: −log P(z) + KL(S‖P_z) + E_S log P(z|x,y)"
    return Metric(f"latent_shift_{part}", said[part], "nat", described, measure)


def _shift_prompts(evaluation: Evaluation) -> Iterator[Cell]:
    if evaluation.is_truth:
        record = evaluation.world.record
        shift = kl(record.restricted.s.prompts.log_p, record.p.prompts.log_p)
        yield Cell("S(x)||P(x)", Quantity.of(shift))


def _expected_length(evaluation: Evaluation) -> Iterator[Cell]:
    if evaluation.is_truth and evaluation.world.view == "joint":
        yield Cell("P", Quantity.of(evaluation.world.record.p.expected_length()))


def _notes(evaluation: Evaluation) -> Iterator[Cell]:
    if evaluation.is_truth:
        for note, value in evaluation.world.record.restricted.notes.items():
            yield Cell("restriction", Quantity.of(float(value)), at=note)


def _identities(evaluation: Evaluation) -> Iterator[Cell]:
    """Residuals and slacks from the record, at the last evaluation of a phase."""
    world = evaluation.world
    if evaluation.is_truth or evaluation.index != len(world.record.phases[evaluation.phase].steps) - 1:
        return
    stored = world.record.facts.get("residuals", {}).get(f"{evaluation.phase}/{world.view}", {})
    for name, value in stored.items():
        yield Cell("P,q", Quantity.of(float(np.float64(value))), at=name)


METRICS = [
    *(_waterfall(part) for part in ("conditioning", "narrowing", "learning")),
    Metric("objective_gap", "H(S) − H(q*)", "nat", "entropy lost because of the objective itself", _objective_gap),
    *(_shift(part) for part in ("total", "conditioning", "narrowing")),
    *(_latent_shift(part) for part in ("total", "conditioning", "narrowing", "overlap")),
    Metric("shift_prompts", "KL(S(x)‖P(x))", "nat", "how far the prompts of S differ from those of P", _shift_prompts),
    Metric("expected_length", "E|x|", "symbols", "expected length of a document", _expected_length),
    Metric("restriction_note", "note", "see the restriction", "what the restriction reports (column at)", _notes),
    Metric("identity", "residual", "see docs", "residual or slack of an identity (column at)", _identities),
]

"""Exercises of the lesson on C5: has the update of fine-tuning a low rank, and does this limit diversity?"""

import numpy as np

from sim.interface.result import Result
from sim.lessons._exercise import Exercise, Slip
from sim.lessons._reading import published
from sim.numerics import SpecificationError

MATRIX = "head.kernel"
"""The output matrix of the transformer, in `result.record.params`."""

VALUES = np.array([4.0, 2.0, 2.0, 1.0])
"""The singular values of an update."""

SIDE, RANK = 64, 4


def singular_values(result: Result, phase: str) -> np.ndarray:
    """Return the singular values of the change of MATRIX from the pretrained model to the end of a phase."""
    params = result.record.params
    if MATRIX not in params.get("pretrain", {}) or phase not in params:
        raise SpecificationError(
            f"result: a run of a transformer with the control identity is required, found the phases "
            f"{', '.join(params)}; run the cell of the lesson that makes it"
        )
    after, before = (np.asarray(params[name][MATRIX], np.float64) for name in (phase, "pretrain"))
    return np.asarray(np.linalg.svd(after - before, compute_uv=False))


def stable_rank(values: np.ndarray) -> float:
    """Return Σσ²/σ₁²."""
    return float((values**2).sum() / values.max() ** 2)


def first_share(values: np.ndarray) -> float:
    """Return the share of the first direction, σ₁²/Σσ²."""
    return 1.0 / stable_rank(values)


def adapter_size() -> float:
    """Return the number of parameters of an adapter of rank RANK beside a square matrix."""
    return float(RANK * (SIDE + SIDE))


def published_rank(targets: str, phase: str) -> float:
    """Return the mean stable rank of the published updates over worlds."""
    table = published("c5_rank")["spectra_updates"].filter(targets=targets, phase=phase)
    return float(table["stable"].to_numpy().mean())


def of_targets() -> float:
    """Return by how much sampled targets raise the stable rank of fine-tuning."""
    return published_rank("sampled", "sft") - published_rank("exact", "sft")


def of_data() -> float:
    """Return by how much going on with P raises it, at exact targets."""
    return published_rank("exact", "identity") - published_rank("exact", "sft")


EXERCISES = (
    Exercise(
        "An update has the singular values 4, 2, 2 and 1. What is its stable rank Σσ²/σ₁²?",
        lambda: stable_rank(VALUES),
        "Its rank is 4, but one direction has most of the weight. The stable rank does not depend on the norm.",
        "Square the values before you sum them.",
        slips=(
            Slip(lambda: float(VALUES.sum() / VALUES.max()), "Square the singular values first."),
            Slip(lambda: first_share(VALUES), "This is its inverse: the share of the first direction."),
            Slip(lambda: float(len(VALUES)), "This is the rank. The stable rank weighs the directions."),
        ),
    ),
    Exercise(
        "In your run, what is the stable rank of the change of the output matrix (head.kernel) by the fine-tuning?",
        lambda result: stable_rank(singular_values(result, "sft")),
        "The matrix has sixteen directions, and few of them carry the update. Now look at the control.",
        'Subtract result.record.params["pretrain"]["head.kernel"] from that of "sft". numpy.linalg.svd with '
        "compute_uv=False gives the singular values.",
        of_run=True,
        slips=(
            Slip(lambda result: stable_rank(singular_values(result, "identity")), 'This is the "identity" control.'),
        ),
    ),
    Exercise(
        'The same for the control, which goes on with P (phase "identity"). Which share σ₁²/Σσ² has its first '
        "direction?",
        lambda result: first_share(singular_values(result, "identity")),
        "In this matrix the control is low in rank as well. So a low rank as such does not show that data are narrow.",
        'Take the difference of "identity" and "pretrain", and square the singular values.',
        of_run=True,
        slips=(
            Slip(lambda result: first_share(singular_values(result, "sft")), 'This is the fine-tuning, phase "sft".'),
            Slip(
                lambda result: stable_rank(singular_values(result, "identity")),
                "This is the stable rank. The share of the first direction is its inverse.",
            ),
        ),
    ),
    Exercise(
        "How many parameters has an adapter BA of rank 4 beside a matrix of 64 × 64?",
        adapter_size,
        "It is an eighth of the 4,096 parameters of the matrix.",
        "B is 64 × 4, and A is 4 × 64.",
        unit="parameters",
        relative=0.0,
        slips=(Slip(lambda: float(RANK * SIDE), "There are two factors, A and B."),),
    ),
    Exercise(
        'Published table "spectra_updates": what changes the stable rank of the update more, the kind of '
        "targets (sampled "
        "or exact, both after SFT), or the data (S or P, both with exact targets)?",
        lambda: "targets" if abs(of_targets()) > abs(of_data()) else "data",
        "The kind of targets changes it four to five times as much as the data do.",
        'Take the means of the column stable by targets and phase ("sft", "identity"), and compare two differences.',
        options=("targets", "data"),
    ),
)

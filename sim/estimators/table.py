"""All estimators that can be used on a sample, side by side."""

from dataclasses import dataclass

from sim.config.discovery import members
from sim.estimators._found import Estimator
from sim.estimators._sample import Sample
from sim.quantity import Quantity


@dataclass(frozen=True)
class Estimate:
    """An estimator applied to one sample: the quantity with the interval that holds, and that of the literature."""

    estimator: Estimator
    quantity: Quantity
    usual: Quantity


def estimators() -> list[Estimator]:
    """Return all estimators of this project and of installed packages, file by file."""
    return [one for member in members("estimator").values() for one in member.load().ESTIMATORS]


def estimates(sample: Sample, level: float = 0.95) -> list[Estimate]:
    """Return what every estimator says of one sample, if the sample has what it needs.

    A `Quantity` is estimated; its method is t, proved or none, and its ends are infinite for none. Simpson's needs two
    draws. Raises ValueError for several samples.
    """
    if sample.counts.ndim != 1:
        raise ValueError(f"estimates: the counts of one sample are required, found {sample.counts.shape[:-1]} samples")
    found = []
    for one in estimators():
        if sample.has(one.needs) and sample.size >= one.least:
            said = one.measure(sample, level)
            ends = (said.quantity(level, sample.size, usual) for usual in (False, True))
            found.append(Estimate(one, *ends))
    return found

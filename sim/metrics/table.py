"""From a record to tidy rows and to residuals of identities. Here numbers are computed from the recorded arrays."""

from collections.abc import Collection, Mapping
from traceback import extract_tb
from typing import Any

from sim.config import members
from sim.config.discovery import Member
from sim.disk.records import Record
from sim.metrics import identities
from sim.metrics.entropy import entropy_interval
from sim.metrics.excursion import kl_by_step
from sim.metrics.forgetting import waterfall
from sim.metrics.law_record import knows
from sim.metrics.nodes import UnrecordedError
from sim.metrics.one_sided import one_sided
from sim.metrics.scene import TRUTH, Cell, Evaluation, Metric, World
from sim.metrics.scored import VIEWS, Scored, View
from sim.numerics import SpecificationError, nearest
from sim.quantity import Quantity

Row = dict[str, Any]
Columns = dict[str, list[Any]]

OF_A_NUMBER = (
    "phase", "step", "view", "metric", "of", "at", "value", "lower", "upper", "exactness", "unit", "prompt_law",
)  # fmt: skip
"""Names of the columns that say what a number is."""


def metrics() -> list[Metric]:
    """Return every metric of this project and of installed packages, in the order of their files.

    Raises SpecificationError if METRICS of a file is not a list of metrics, or if two metrics have one name.
    """
    found: dict[str, Metric] = {}
    for one in members("metric").values():
        for metric in _declared(one):
            if metric.name in found:
                raise SpecificationError(
                    f"{one.file}: a new name is required for every metric, found a second {metric.name!r}; rename it"
                )
            found[metric.name] = metric
    return list(found.values())


def _declared(one: Member) -> list[Metric]:
    """Return the metrics of a file. The line that says what is wrong with them names the file."""
    try:
        found = one.load().METRICS
    except SpecificationError as refusal:
        raise SpecificationError(f"{one.file}: {refusal}") from refusal
    wrong = (
        found if not isinstance(found, list | tuple) else next((m for m in found if not isinstance(m, Metric)), None)
    )
    if wrong is not None:
        raise SpecificationError(
            f"{one.file}: METRICS: a list of Metric objects is required, found {getattr(wrong, '__name__', wrong)!r}; "
            "make one with Metric, of_language or of_model (sim/metrics/scene.py)"
        )
    return list(found)


def chosen_metrics(names: Collection[str] | None, place: str = "metric") -> list[Metric]:
    """Return the metrics with some names; all for None.

    For a name that no metric has, it raises SpecificationError with `place`, where the name was written.
    """
    found = {metric.name: metric for metric in metrics()}
    for name in names or ():
        if name not in found:
            near = nearest(name, found)
            raise SpecificationError(
                f"{place}: the name of a metric is required, found {name!r}{near}; python -m sim.rows --help lists them"
            )
    return [metric for name, metric in found.items() if names is None or name in names]


def rows(
    record: Record,
    names: Collection[str] | None = None,
    views: Collection[View] = VIEWS,
    phases: Collection[str] | None = None,
) -> list[Row]:
    """Return the measured numbers of a run, one row each; see `columns`."""
    found = columns(record, names, views, phases)
    return [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]


def columns(
    record: Record,
    names: Collection[str] | None = None,
    views: Collection[View] = VIEWS,
    phases: Collection[str] | None = None,
) -> Columns:
    """Return the measured numbers of a run. The columns are described in `sim.metrics.frames.COLUMNS`.

    names: the metrics that are wanted, None for all; views: the views that are wanted; phases: the phases that are
    wanted, None for all. The rows of the truth are always included.
    """
    wanted = chosen_metrics(names)
    found: Columns = {name: [] for name in OF_A_NUMBER}
    for view in views:
        world = World(record, view)
        _add_truths(found, world, wanted)
        for phase in record.phases:
            if (phases is None or phase in phases) and knows(record.phases[phase].arrays, view):
                for evaluation in world.evaluations(phase):
                    _add(found, evaluation, wanted)
    return found


def last_rows(record: Record, name: str, view: View, phase: str) -> list[Row]:
    """Return the numbers of one metric at the last evaluation of a phase, or of the truth, one row each."""
    world, found = World(record, view), dict[str, list[Any]]({name: [] for name in OF_A_NUMBER})
    if phase == TRUTH:
        _add_truths(found, world, chosen_metrics([name]))
    else:
        _add(found, world.evaluation(phase, len(record.phases[phase].steps) - 1), chosen_metrics([name]))
    return [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]


def _add_truths(found: Columns, world: World, wanted: Collection[Metric]) -> None:
    """Add the rows of the world, and of every later stage those that name something of its own, such as S_2."""
    _add(found, world.truth, wanted)
    for stage in world.record.stages:
        _add(found, world.of_stage(stage).truth, wanted)


def _add(found: Columns, evaluation: Evaluation, wanted: Collection[Metric]) -> None:
    """Add the rows of one evaluation. A number that is only bounded has no value."""
    shown = evaluation.world.shown
    for metric in wanted:
        cells = _measured(metric, evaluation)
        if evaluation.is_truth and evaluation.world.stage:  # of a later stage, only what has a name of its own is new
            cells = [cell for cell in cells if (shown(cell.of), shown(cell.law)) != (cell.of, cell.law)]
        if not evaluation.is_truth and evaluation.world.record.facts.get("canonical_only"):
            cells = [one_sided(metric.name, cell, evaluation) for cell in cells]
        numbers = [cell.number for cell in cells]
        new: Columns = {
            "phase": [evaluation.phase] * len(cells),
            "step": [evaluation.step] * len(cells),
            "view": [evaluation.world.view] * len(cells),
            "metric": [metric.name] * len(cells),
            "of": [shown(cell.of) for cell in cells],
            "at": [cell.at for cell in cells],
            "value": [number.value for number in numbers],
            "lower": [number.lower for number in numbers],
            "upper": [number.upper for number in numbers],
            "exactness": [number.kind for number in numbers],
            "unit": [metric.unit] * len(cells),
            "prompt_law": [shown(cell.law) for cell in cells],
        }
        for name, values in new.items():
            found[name] += values


def _measured(metric: Metric, evaluation: Evaluation) -> list[Cell]:
    """Return the cells of a metric; none if it needs what this evaluation did not record.

    Whatever goes wrong in it becomes a SpecificationError that names its file.
    """
    try:
        cells = list(metric.measure(evaluation))
        if wrong := [cell for cell in cells if not isinstance(cell, Cell) or not isinstance(cell.number, Quantity)]:
            raise TypeError(f"cells with a Quantity are required, found {wrong[0]!r}")
    except UnrecordedError:
        return []
    except Exception as problem:  # a metric may be anybody's code
        file = next((one.file for one in members("metric").values() if metric in one.load().METRICS), "sim.metrics")
        lines = [frame.lineno for frame in extract_tb(problem.__traceback__) if frame.filename == str(file)]
        where = f"line {lines[-1]}, " if lines else ""
        raise SpecificationError(
            f"{file}: metric {metric.name}: numbers are required, found {type(problem).__name__}: {problem} "
            f"({where}step {evaluation.step} of {evaluation.phase})"
        ) from problem
    return cells


def residuals(record: Record) -> dict[str, dict[str, float]]:
    """Residuals and slacks of the identities at the last evaluation of every phase, in every view.

    The keys are "phase/view", and then the names of the identities. A view in which a model is not known is left out.
    """
    found = {}
    for view in VIEWS:
        world = World(record, view)
        for phase in (name for name, one in record.phases.items() if knows(one.arrays, view)):
            q, own = world.scored(phase, -1), world.of_phase(phase)
            found[f"{phase}/{view}"] = _residuals(own, q)
            by_step = kl_by_step(record.phases[phase], view)
            if by_step is not None:
                residual = identities.kl_every_step_identity(float(by_step[-1]), own.s, q, own.s_law)
                found[f"{phase}/{view}"]["kl_every_step"] = residual
    return found


def _residuals(world: World, q: Scored) -> dict[str, float]:
    p, s, kept, p_law, s_law = world.p, world.s, world.kept, world.p_law, world.s_law
    event, styles = world.record.restricted.event, world.record.p.styles
    steps = waterfall(*(entropy_interval(one, s_law) for one in (p, kept, s, q)))
    values = {
        "cross_entropy": identities.cross_entropy_identity(p, q, p_law),
        "chain_rule_entropy": identities.chain_rule_entropy_identity(q, p_law),
        "chain_rule_kl": identities.chain_rule_kl_identity(p, q, p_law),
        "gate_erasure": identities.gate_erasure_identity(p, q, event, p_law),
        "shift_accounting": identities.shift_accounting_identity(p, s, kept, event, s_law),
        "waterfall": identities.waterfall_identity(p, q, steps, s_law),
        "conditionals": identities.conditionals_identity(q, p_law),
        "total_mass": identities.total_mass_identity(q, p_law),
        "kl_nonnegative": identities.kl_nonnegative_slack(p, q, p_law),
        "pinsker": identities.pinsker_slack(p, q, p_law),
        "collision_continuity": identities.collision_continuity_slack(p, q, p_law),
        "entropy_continuity": identities.entropy_continuity_slack(p, q, p_law),
    }
    if styles is not None:
        values["style_split"] = identities.style_split_identity(p, q, styles.log_posterior, p_law)
    return values


def violations(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a line for each identity that does not hold within its tolerance."""
    return [f"{where}: {line}" for where, values in found.items() for line in identities.violations(values)]

"""C4, behaviour cloning: is fine-tuning a conditioning, do its errors compound, do conservative data help?"""

from experiments.c4_cloning import cloning, rivals, sharing
from experiments.c4_cloning.amendments import AMENDMENTS
from experiments.c4_cloning.announced import (
    CONDITIONING,
    CONSERVATIVE,
    CONTROLS,
    DRIFT,
    FORGETTING,
    HORIZON,
    STAGES,
)
from experiments.c4_cloning.rivals import RIVALS
from experiments.c4_cloning.sharing import SHARING
from experiments.c4_cloning.tables import NEEDS
from experiments.c4_cloning.tables import tables as tables_of_runs
from experiments.predictions import Claim, Tables
from experiments.study import Study


def tables(study: Study) -> Tables:
    """Return the tables of all parts of the study."""
    found = tables_of_runs(study)
    more = (sharing.tables(study, found["runs"]), rivals.tables(study, found["runs"], found["drift"]))
    return {**found, **{name: table for each in more for name, table in each.items()}}


CLAIM = Claim(
    identifier="C4",
    file=__file__,
    title="Behaviour cloning",
    sentence="Fine-tuning is behaviour cloning, with distribution shift and compounding errors, so its data are safe "
    "and conservative; it is a very strong conditioning, P_SFT(y|x) ≈ P_pretrain(y|x, style = assistant).",
    rule="Runs are compared at equal steps, at equal q(A), or at equal KL(S‖q), as each prediction says; hazards in "
    f"the end are read from runs with KL(S‖q) ≤ {cloning.FIT:g} nats.",
    predictions=(*CONTROLS, *CONDITIONING, *HORIZON, *DRIFT, *FORGETTING, *STAGES, *CONSERVATIVE, *SHARING, *RIVALS),
    needs=(*NEEDS, *sharing.NEEDS, *rivals.NEEDS),
    tables=tables,
    condition="errors are never repaired",
    paired=("part", "targets", "restriction", "horizon", "swing", "shown", "seed"),
    amendments=AMENDMENTS,
)

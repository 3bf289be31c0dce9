"""C2, support contraction and forgetting: does the support shrink, and is what is left out gated or erased?"""

from experiments.c2_support import arms, crossed, mass, new_things, steps
from experiments.c2_support.amendments import AMENDMENTS
from experiments.c2_support.announced import DECAY, ERASURE, KERNEL, SIZES
from experiments.c2_support.crossed import RACE
from experiments.c2_support.erasing import ERASING
from experiments.c2_support.new_things import NEW, NEW_NEEDS
from experiments.c2_support.steps import STEPS
from experiments.c2_support.tables import NEEDS
from experiments.c2_support.tables import tables as tables_of_laws
from experiments.predictions import Claim, Tables
from experiments.study import Study


def tables(study: Study) -> Tables:
    """Return the tables of all parts of the study."""
    found = tables_of_laws(study)
    others = (one.tables(study, found["runs"]) for one in (arms, steps, crossed, new_things))
    return {**found, **{name: table for each in others for name, table in each.items()}}


CLAIM = Claim(
    identifier="C2",
    file=__file__,
    title="Support contraction and forgetting",
    sentence="Fine-tuning data is a tiny subset; gradient descent forgets what is absent from it: the support shrinks "
    "and the paths to other styles are cut off.",
    rule=f"Sizes are judged at convergence, a mean KL(S‖q) of at most {mass.FIT} nats per answer. E and X are read at "
    f"the end of runs with KL(S‖q) ≤ KL(S‖q*) + {arms.FIT:g} nats.",
    predictions=(*SIZES, *DECAY, *ERASURE, *KERNEL, *RACE, *ERASING, *STEPS, *NEW),
    needs=(*NEEDS, *crossed.NEEDS, *arms.NEEDS, *steps.NEEDS, *NEW_NEEDS),
    tables=tables,
    condition="S is narrower than P",
    paired=("part", "restriction", "targets", "model", "width", "optimizer", "learning_rate", "weight", "num_steps",
            "seed"),
    amendments=AMENDMENTS,
)  # fmt: skip

"""C3, forward KL and one answer per prompt: does maximum likelihood seek a mode, or do few and equal answers do it?"""

from experiments.c3_answers import copying, measured
from experiments.c3_answers.amendments import AMENDMENTS
from experiments.c3_answers.announced import PREDICTIONS
from experiments.c3_answers.copying import COPIES
from experiments.c3_answers.tables import NEEDS, PAIRED
from experiments.c3_answers.tables import tables as tables_of_runs
from experiments.predictions import Claim, Tables
from experiments.study import Study


def tables(study: Study) -> Tables:
    """Return the tables of all parts of the study."""
    found = tables_of_runs(study)
    return {**found, **copying.tables(study, found["runs"])}


CLAIM = Claim(
    identifier="C3",
    file=__file__,
    title="Forward KL and one answer per prompt",
    sentence="Cross-entropy minimises the forward KL, which usually covers modes; but with little, homogeneous data, "
    "and one reference answer per prompt, the model collapses on a single mode.",
    rule="The condition is known before any training: Ŝ_x is the law of the data at a prompt that they show, and the "
    "annotator's law elsewhere. A model has collapsed on some prompts if it lost more than half of H(P) there. "
    f"Entropy is judged at convergence, a mean KL(S‖q) of at most {measured.FIT} nats per answer.",
    predictions=(*PREDICTIONS, *COPIES),
    needs=NEEDS,
    tables=tables,
    paired=PAIRED,
    condition="the data say one answer to the prompt: H(Ŝ_x) = 0",
    amendments=AMENDMENTS,
)

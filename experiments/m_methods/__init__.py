"""M, methods: what another loss, other steps or replay change, at equal fit, against their predicted optima."""

from experiments.m_methods.amendments import AMENDMENTS
from experiments.m_methods.announced import PREDICTIONS
from experiments.m_methods.tables import NEEDS, tables
from experiments.predictions import Claim

CLAIM = Claim(
    identifier="M",
    file=__file__,
    title="Methods",
    sentence="Gradient descent forgets what is absent from the data of the fine-tuning or conflicts with them.",
    rule="Each prediction says at which fit methods are compared, and with which control.",
    predictions=PREDICTIONS,
    needs=NEEDS,
    tables=tables,
    paired=("part", "seed"),
    amendments=AMENDMENTS,
    tier="paper",
)

"""M: the methods by the parts of the study, and the numbers that decide which runs are compared, and where."""

from dataclasses import dataclass
from typing import Literal

FIT = 0.03
"""E, X and entropies are read in the end if KL(S‖q) exceeds KL(S‖q*) by at most this [nat per answer]."""

LEVELS = (0.1, 0.03)
"""Fits KL(S‖q) [nat per answer] at which paths are compared where they first get there."""

SHARE = 0.01
"""λ, the share of replayed answers."""

Targets = Literal["exact", "sampled"]


@dataclass(frozen=True)
class Method:
    """A way to fine-tune at Adam's 2e-3 unless its name says otherwise.

    plain: cross-entropy on S alone at one of several rates, so it is a point of the curves of E that M.6 compares with;
    trains_lost: whether its loss scores answers that S leaves out.
    """

    name: str
    targets: Targets
    plain: bool = False
    trains_lost: bool = False


METHODS = {
    "sft": Method("SFT, exact", "exact", plain=True),
    "sft_slow": Method("SFT 1e-3, exact", "exact", plain=True),
    "sft_fast": Method("SFT 4e-3, exact", "exact", plain=True),
    "sampled": Method("SFT, sampled", "sampled", plain=True),
    "sampled_slowest": Method("SFT 2.5e-4, sampled", "sampled", plain=True),
    "sampled_slower": Method("SFT 5e-4, sampled", "sampled", plain=True),
    "sampled_slow": Method("SFT 1e-3, sampled", "sampled", plain=True),
    "sampled_fast": Method("SFT 3e-3, sampled", "sampled", plain=True),
    "warmup_100": Method("warm-up of 100, sampled", "sampled"),
    "warmup_300": Method("warm-up of 300, sampled", "sampled"),
    "finch": Method("FINCH 1e-3, sampled", "sampled"),
    "sharpness": Method("sharpness-aware, ρ = 0.05, sampled", "sampled"),
    "gem": Method("GEM, β = 0.5", "exact"),
    "label_smoothing": Method("label smoothing, ε = 0.05", "exact"),
    "focal": Method("focal, γ = 2", "exact"),
    "entropy_bonus": Method("entropy bonus, τ = 0.1", "exact"),
    "mixce": Method("MixCE, η = 0.5", "exact"),
    "coverage": Method("coverage, N = 16", "exact"),
    "dft": Method("DFT", "exact"),
    "reverse_kl_to_start": Method("reverse KL to q₀, β = 0.2", "exact", trains_lost=True),
    "forward_kl_to_start": Method("forward KL to q₀ by token, β = 0.05", "exact"),
    "self_replay": Method("self-replay of 1 %, exact", "exact", trains_lost=True),
    "self_replay_sampled": Method("self-replay of 1 %, sampled", "sampled", trains_lost=True),
    "replay": Method("replay of 1 %, exact", "exact", trains_lost=True),
    "replay_sampled": Method("replay of 1 %, sampled", "sampled", trains_lost=True),
}
"""The methods by the parts of the study."""

CONTROLS: dict[Targets, str] = {"exact": "sft", "sampled": "sampled"}
"""SFT at 2e-3: the control of the methods with each kind of targets. Both have an identity control."""

OTHER_OPTIMUM = (
    "gem", "label_smoothing", "focal", "entropy_bonus", "mixce", "coverage", "dft", "reverse_kl_to_start",
    "forward_kl_to_start", "self_replay", "replay",
)  # fmt: skip
"""Methods with exact targets and another optimum than S."""

REPLAYED = ("replay_sampled", "self_replay_sampled", "replay", "self_replay")

RATES = ("sampled_slowest", "sampled_slower", "sampled_slow", "sampled")
"""SFT with sampled targets by rate: 2.5e-4, 5e-4, 1e-3, 2e-3."""

WEIGHTS = (0.2, 0.3)
"""Weights of the tuned model in the interpolation with q₀ (WiSE-FT)."""


def control_of(part: str) -> str:
    """Return the part of SFT with the targets of a method."""
    return CONTROLS[METHODS[part].targets]

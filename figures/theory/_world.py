"""The small world of the figures: one prompt, two styles with four answers each; SFT keeps the first style."""

import numpy as np

P = np.array([0.16, 0.12, 0.08, 0.04, 0.24, 0.18, 0.12, 0.06])
"""The language. The kept style has P(A) = 0.4; within a style, the answers have shares of 40, 30, 20 and 10 %."""

KEPT = np.arange(8) < 4
"""A, the event that SFT keeps."""

S = np.array([0.5, 0.3, 0.15, 0.05, 0.0, 0.0, 0.0, 0.0])
"""The data: they lie in A, and are narrower than P given A."""

PROMPT = np.zeros(8, np.int64)

WORDS = (
    "a world of eight answers, P = 0.16, 0.12, 0.08, 0.04 in the kept style and 0.24, 0.18, 0.12, 0.06 in the lost "
    "one, with data S = 0.5, 0.3, 0.15, 0.05 in the kept style"
)


def logs(law: np.ndarray) -> np.ndarray:
    """log of a law [nat], float64[N]; -inf where it is 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(law))

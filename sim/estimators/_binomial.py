"""The interval of a share of independent cases."""


def clopper_pearson(held: int, number: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share, `held` of `number` independent cases. It covers at least `level`.

    Source: Clopper & Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial".
    """
    from scipy.special import betaincinv

    tail = (1.0 - level) / 2.0
    lower = float(betaincinv(held, number - held + 1, tail)) if held else 0.0
    return lower, float(betaincinv(held + 1, number - held, 1.0 - tail)) if held < number else 1.0

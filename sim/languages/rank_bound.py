"""A certified lower bound of KL(S || q_M) over all matrices M of a lower rank than the one that S was made with.

S(.|h) is proportional to q0(.|h) exp(phi(h)ᵀ M* e_a), with M* = U diag(sigma) Vᵀ of rank k; U has orthonormal columns
in whitened features, V has orthonormal columns that sum to 0.

1. Let M have a rank below k. Then Uᵀ M V is a singular k x k matrix, so Uᵀ M V c = 0 for some unit vector c.
2. Let s_h = S(.|h), and let s_h + xi_h be laws. By Donsker and Varadhan, KL(S || q_M) >= sum_h w_h [xi_hᵀ (M - M*)ᵀ
   phi(h) - KL(s_h + xi_h || s_h)]. The first part is <Y, M - M*> with Y = sum_h w_h phi(h) xi_hᵀ.
3. Take Y = -tau (U c)(V c)ᵀ. Then <Y, M> = 0 by step 1, and <Y, -M*> = tau cᵀ diag(sigma) c >= tau min sigma.
4. xi_h = -tau Cov_h Xᵀ phi(h) gives this Y, where Cov_h = diag(s_h) - s_h s_hᵀ, and X solves the linear equation
   sum_h w_h phi(h) phi(h)ᵀ X Cov_h = (U c)(V c)ᵀ. So xi_h = -tau s_h (e_h - E e_h) with e_h(a) = phi(h)ᵀ X e_a.
5. If e_h - E e_h <= r_h on all tokens and tau r_h <= 1, then s_h + xi_h is a law, and KL(s_h + xi_h || s_h) <=
   curve(tau r_h) tau² Var_h(e_h), where curve(x) = ((1 - x) log(1 - x) + x) / x².
6. e_h is linear in the symmetric matrix C = c cᵀ of norm 1. So r_h is at most the largest eigenvalue of a k x k
   matrix, and sum_h w_h curve(tau r_h) Var_h(e_h) at most the largest eigenvalue of a form on symmetric matrices.

The bound is tau min(sigma) - tau² times that eigenvalue, for the best tau. It holds for every M, also for one that a
training finds, up to the rounding errors of float64. No search over M is involved.
Source of step 2: M. D. Donsker, S. R. S. Varadhan, 1975, "Asymptotic evaluation of certain Markov process expectations
for large time, I".
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from sim.languages.readout import Aim

TRIES = 25
"""Number of values of tau that are tried."""

ROUNDS = 2
"""Number of choices of the scales of xi that are tried."""

RESIDUAL = 1e-9
"""Largest relative error of the solution of a linear equation from which something is certified."""


@dataclass(frozen=True, eq=False)
class Gates:
    """The k gates of M* = sum_i sigma_i u_i v_iᵀ: u is float64[d, k], v is float64[V, k], sigma is float64[k]."""

    u: np.ndarray
    v: np.ndarray
    sigma: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """M*: float64[d, V]."""
        return np.asarray((self.u * self.sigma) @ self.v.T)


def least_loss(aim: Aim, gates: Gates) -> float:
    """Return a number [nat] that no matrix of a rank below k can undercut: a lower bound of its loss, at least 0.

    The target of `aim` must be the law of `gates.matrix`, and its features must be whitened. xi_h may be scaled by any
    positive numbers, which the linear equation takes into account. They are 1 first, and then smaller where r_h is
    larger than its median; the better bound is returned. It is 0 if the linear equation has no accurate solution, such
    as where a token of a direction v never follows.
    """
    best, scale = 0.0, np.ones(len(aim.weights))
    for _ in range(ROUNDS):
        forms = _forms(aim, gates, scale)
        if forms is None:
            break
        reach, form = forms
        for tau in np.geomspace(0.02, 1.0, TRIES) / reach.max():
            worst = float(np.linalg.eigvalsh(np.tensordot(curve(tau * reach), form, 1))[-1])
            best = max(best, tau * float(gates.sigma.min()) - tau**2 * worst)
        scale = scale * np.minimum(1.0, np.median(reach) / reach)
    return best


def curve(x: np.ndarray) -> np.ndarray:
    """((1 - x) log(1 - x) + x) / x² for 0 <= x <= 1, from 1/2 to 1.

    (1 + y) log(1 + y) - y <= curve(x) y² for all y >= -x.
    """
    x = np.asarray(x, np.float64)
    small = 0.5 + x / 6.0 + x**2 / 12.0 + x**3 / 20.0 + x**4 / 30.0 + x**5 / 42.0  # all terms are positive
    inner = np.clip(x, 1e-2, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where(inner < 1.0, (1.0 - inner) * np.log1p(-inner), 0.0)
    return np.where(x < 1e-2, small, (rest + inner) / inner**2)


def _forms(aim: Aim, gates: Gates, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return r_h, float64[H], and w_h Var_h(e_h) as forms on symmetric matrices C, float64[H, K, K]; K = k (k + 1)/2.

    scale: float64[H], numbers by which xi_h is multiplied.
    """
    basis = symmetric_basis(gates.u.shape[1])
    sides = np.einsum("nij,di,vj->dvn", basis, gates.u, gates.v)
    x = _solved(aim, scale * aim.weights, sides)
    if x is None:
        return None
    e = np.einsum("hd,dvn->hvn", aim.readout.features, x)
    e = scale[:, None, None] * (e - np.einsum("hv,hvn->hn", aim.target, e)[:, None])
    whole = np.einsum("hvn,nij->hvij", e, basis)  # e_h(a) is the trace of C with this matrix
    top = np.linalg.eigvalsh(whole)[..., -1]
    reach = np.where(aim.log_target > -np.inf, top, 0.0).max(axis=1)
    spread = np.sqrt(aim.weights[:, None] * aim.target)[..., None] * e
    return reach, np.asarray(spread.transpose(0, 2, 1) @ spread)


def symmetric_basis(k: int) -> np.ndarray:
    """An orthonormal basis of the symmetric k x k matrices: float64[k (k + 1)/2, k, k]."""
    rows, columns = np.triu_indices(k)
    found = np.zeros((len(rows), k, k))
    at = np.arange(len(rows))
    size = np.where(rows == columns, 1.0, np.sqrt(0.5))
    found[at, rows, columns] = found[at, columns, rows] = size
    return found


def _solved(aim: Aim, weights: np.ndarray, sides: np.ndarray) -> np.ndarray | None:
    """Solve sum_h w_h phi phiᵀ X Cov_h = side for every side, float64[d, V, n]; None if it cannot be solved.

    Adding a constant to a row of X changes nothing, and sides sum to 0 over tokens. So a multiple of the projection on
    the constants is added to every Cov_h. Tokens that never follow are left out.
    """
    used = (aim.target > 0.0).any(axis=0)
    if np.abs(sides[:, ~used]).max(initial=0.0) > 0.0:
        return None
    s, phi = aim.target[:, used], aim.readout.features
    count, d = s.shape[1], phi.shape[1]
    both = (np.sqrt(weights)[:, None, None] * phi[:, :, None] * s[:, None, :]).reshape(len(s), -1)
    outer = phi.T @ (weights[:, None] * phi)
    matrix = np.kron(outer, np.full((count, count), 1.0 / count**2)) - both.T @ both
    for v in range(count):
        matrix[v::count, v::count] += phi.T @ ((weights * s[:, v])[:, None] * phi)
    right = sides[:, used].reshape(d * count, -1)
    try:
        solution = cho_solve(cho_factor(matrix), right)
    except LinAlgError:
        return None
    if not np.abs(matrix @ solution - right).max() <= RESIDUAL * np.abs(right).max():
        return None
    found = np.zeros(sides.shape)
    found[:, used] = solution.reshape(d, count, -1)
    return found

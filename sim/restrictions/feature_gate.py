"""Gates on the final features of the pretrained model: data whose best low-rank fit has a known rank."""

from typing import Annotated

import numpy as np

from sim.config import AtLeast, Positive
from sim.languages.automaton_ops import row_divergences
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.rank_bound import Gates, least_loss
from sim.languages.readout import Aim, Readout, best_of, fitted
from sim.languages.restricted import Restricted
from sim.languages.starting import StartingModel
from sim.numerics import SpecificationError
from sim.restrictions._gates import Choices, choices
from sim.restrictions._kinds import needs_list

STRENGTHS = np.geomspace(0.25, 8.0, 21)
"""Values of sigma that may be chosen."""

STARTS = 1
"""Random starts of a fit, beside one from the fit of the next larger rank."""


SAFETY = 2.0
"""What a fit has to pay where nothing is certified, as a multiple of what is required."""


def feature_gate(
    p: ExactLanguage,
    *,
    rank: Annotated[int, AtLeast(1)] = 1,
    excess: Annotated[float, Positive] = 0.05,
    seed: Annotated[int, AtLeast(0)] = 0,
    base: StartingModel,
) -> Restricted:
    """S_k(a|h) is proportional to q0(a|h) exp(sigma sum_{i<=k} <u_i, psi(h)> v_i(a)), k = `rank`, h in the answer.

    q0 is the model with which the stage begins, and psi(h) are its final features (what its output matrix multiplies),
    whitened: the mean of psi psiᵀ over the choices of answers is the identity. `seed` draws the u_i, orthonormal among
    the directions of the features that are not weak, and the v_i, orthonormal and with sum 0, on tokens that often may
    follow. S is a law on the trie of P: by definition q0(a|h) is here q0 given that the next token keeps a string of P
    possible, so S leaves out what q0 leaks. Prompts keep P(x). S has the support of P, so A is all of it.

    A matrix of rank k turns q0 into S exactly, up to that leak. sigma is about the least for which *every* matrix of
    rank k - 1 pays at least `excess` in KL(S || q) [nat per answer], also after refitting. For k = 1 this is the exact
    KL(S || q0). For k > 1 it is certified by a lower bound (`sim.languages.rank_bound`). Where no sigma makes the bound
    as large, the excess is only estimated: sigma is then such that the best fit that was found pays twice as much.
    Notes: `sigma`; `excess_bound`, the certified number [nat]; `certified`, whether it reaches `excess` (1 or 0);
    `fit_<r>` for r = 0 to k - 1, KL(S || q) of the best matrix of rank r that was found [nat], an upper bound of the
    least value; `leak_cost`, KL(S || q) of the matrix of rank k with all that q leaks [nat].
    Raises `SpecificationError` for a world that is too small for k gates, and if not even the best fit that was found
    pays the excess. Raises `UnavailableError` for a language that is not listed.
    """
    listed = needs_list(p, "restriction", "its prefixes are the nodes of a trie")
    where = choices(listed, base.log_next, base.features, rank, "restriction.rank")
    if not base.is_trained:  # the features of a stand-in are arbitrary, so its fits say nothing
        return Restricted(where.aim(where.gates(rank, seed).matrix)[0], listed, listed.log_p > -np.inf, 0.0, {})
    gates, bound = _strong_enough(where, where.gates(rank, seed), excess)
    s, aim = where.aim(gates.matrix)
    fits = staircase(aim, gates.matrix, rank, seed)
    if not fits[-1] >= excess:
        raise SpecificationError(
            f"restriction.excess: at most {fits[-1]:.3g} nats can be had for rank {rank} in this world, found "
            f"{excess:g}; lower excess or rank, or take a world with more choices"
        )
    notes = {"sigma": float(gates.sigma[0]), "excess_bound": bound, "certified": float(bound >= excess)}
    notes |= {f"fit_{r}": loss for r, loss in enumerate(fits)}
    notes["leak_cost"] = _with_leak(s, base, where.basis @ gates.matrix)
    return Restricted(s, listed, listed.log_p > -np.inf, 0.0, notes)


def _strong_enough(where: Choices, gates: Gates, excess: float) -> tuple[Gates, float]:
    """Return the gates with the sigma that is chosen, and a lower bound of what lower ranks pay [nat].

    Every fourth strength is tried until the bound is enough, and then those between it and the one before. If no bound
    is enough, it is the strength with the largest bound, or the next larger one where a fit pays `SAFETY` times as much
    as is required.
    """
    bounds = dict[int, float]()
    for at in range(0, len(STRENGTHS), 4):
        bounds[at] = _excess(where, _stronger(gates, at))
        if bounds[at] >= excess:
            for finer in range(max(at - 3, 0), at):
                if (found := _excess(where, _stronger(gates, finer))) >= excess:
                    return _stronger(gates, finer), found
            return _stronger(gates, at), bounds[at]
    best = max(bounds, key=lambda at: bounds[at])
    for at in range(best, len(STRENGTHS)):
        chosen = _stronger(gates, at)
        if fitted(where.aim(chosen.matrix)[1], chosen.matrix, len(chosen.sigma) - 1).loss >= SAFETY * excess:
            return chosen, _excess(where, chosen)
    return _stronger(gates, best), bounds[best]


def _stronger(gates: Gates, at: int) -> Gates:
    return Gates(gates.u, gates.v, np.full(gates.u.shape[1], STRENGTHS[at]))


def _excess(where: Choices, gates: Gates) -> float:
    """A lower bound of KL(S || q) [nat] for all matrices of a lower rank; exact for one gate."""
    aim = where.aim(gates.matrix)[1]
    return aim.loss(np.zeros(gates.matrix.shape)) if len(gates.sigma) == 1 else least_loss(aim, gates)


def staircase(aim: Aim, matrix: np.ndarray, rank: int, seed: int) -> list[float]:
    """Return KL(S || q) [nat] of the best matrices of ranks 0 to `rank` - 1 that were found. It does not rise.

    Each fit begins from the matrix of the next larger rank, and from random ones of the size of `matrix`.
    """
    generator, last, losses = np.random.default_rng([seed, rank]), matrix, list[float]()
    for r in reversed(range(1, rank)):
        drawn = [generator.normal(size=matrix.shape) * matrix.std() for _ in range(STARTS)]
        found = best_of(aim, [last, *drawn], r)
        last = found.matrix
        losses.append(found.loss)
    return [fitted(aim, matrix, 0).loss, *reversed(losses)]


def _with_leak(s: FiniteLanguage, base: StartingModel, matrix: np.ndarray) -> float:
    """KL(S || q_M) of answers [nat] if q_M is the model with all its tokens, for a matrix on its features."""
    trie = s.trie
    log_s = np.full(base.log_next.shape, -np.inf)
    log_s[trie.edge_node, trie.edge_token] = s.edge_log_prob
    used = (trie.depth >= s.prompts.length[trie.first_string]) & (s.node_log_mass > -np.inf)
    log_q = Readout(base.log_next[used], base.features[used]).tilted(matrix)
    return float(np.exp(s.node_log_mass[used]) @ row_divergences(log_s[used], log_q))


def label(*, rank: int = 1, **_: object) -> str:
    """The restriction in words."""
    return f"{rank} gate{'' if rank == 1 else 's'} on features"

"""From a law on the host to its device form, and back: a law whose numbers along batches are computed on a device."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from sim.languages.exact import unavailable
from sim.languages.vocabulary import Vocabulary
from sim.laws.device.charts import Chart
from sim.laws.device.form import KINDS, Along, DeviceForm
from sim.laws.device.levels import Levels
from sim.laws.device.walks import Shares, Walk
from sim.laws.hidden import HiddenLaw
from sim.laws.machine import AutomatonLaw
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Batch, Law, Uses, tokens_of
from sim.laws.recursive import Recursive
from sim.numerics import EOS, SpecificationError

CELLS = 1 << 27
"""Number of weights that are kept at once: a gigabyte in float64. Larger batches are computed in parts."""


def form(law: Law, kind: Any = np.float64) -> DeviceForm:
    """The device form of a law: pure functions of int[N, T] that can stand in a program of one's own, under `jax.jit`.

    `kind` is np.float64, which needs `jax.enable_x64(True)` and agrees with the host to about 1e-12, relative; or
    np.float32, which agrees to about 1e-5. Raises `SpecificationError`, before any compute, for laws without a device
    form (those of strings of some lengths), and if the type is too narrow for the law.
    """
    if np.dtype(kind) not in KINDS:
        raise SpecificationError(
            f"kind: np.float32 or np.float64 is required for a device form, found {np.dtype(kind).name}; choose one"
        )
    if isinstance(law, NonRecursive):
        return Levels(law, np.dtype(kind))
    if isinstance(law, Recursive):
        return Chart(law, np.dtype(kind))
    if isinstance(law, AutomatonLaw):
        return Walk(law, np.dtype(kind))
    if isinstance(law, HiddenLaw):
        return Shares(law, np.dtype(kind))
    raise SpecificationError(
        f"law: that of a grammar, an automaton or a hidden machine is required for a device form, found a "
        f"{type(law).__name__}; take it on the host, or the law without its condition"
    )


def on_device(law: Law, kind: Any = np.float64) -> "DeviceLaw":
    """The same law, whose numbers along batches are computed by its device form, on the first device of jax.

    See `form` for `kind` and for what is refused.
    """
    return DeviceLaw(law, form(law, kind))


@dataclass(frozen=True, eq=False)
class DeviceLaw:
    """A `sim.laws.protocol.Law` with numpy in and numpy out, float64. A batch of a new shape is compiled first.

    Samples, parses and numbers of the whole language are those of the host. Raises `UnavailableError` if a weight may
    have left the range of the floats of the form.
    """

    law: Law
    form: DeviceForm

    @cached_property
    def _programs(self) -> dict[str, Callable[[Any], tuple[Any, Any]]]:
        """A compiled function for each number, with the mark of every row."""

        def of(name: str) -> Callable[[Any], tuple[Any, Any]]:
            def one(tokens: Any) -> tuple[Any, Any]:
                along = self.form.along(tokens)
                return getattr(along, name), along.sure

            return jax.jit(one)

        return {name: of(name) for name in Along._fields}

    def _along(self, name: str, batch: Batch) -> np.ndarray:
        """A number along a batch, in parts of equal shape."""
        tokens = tokens_of(batch, len(self.vocabulary)).astype(np.int32)
        most = max(1, CELLS // self.form.cells(tokens.shape[1]))
        size, found, sure = min(most, max(len(tokens), 1)), [], []
        with jax.enable_x64(np.dtype(self.form.kind) == np.float64):
            for first in range(0, max(len(tokens), 1), size):
                part = tokens[first : first + size]
                part = np.pad(part, ((0, size - len(part)), (0, 0)), constant_values=EOS)
                values, known = self._programs[name](part)
                found.append(np.asarray(values, np.float64))
                sure.append(np.asarray(known))
        values, known = np.concatenate(found)[: len(tokens)], np.concatenate(sure)[: len(tokens)]
        if not known.all():
            kind = np.dtype(self.form.kind).name
            why = f"string {int(np.argmin(known))} of the batch: its weights may leave the range of {kind} on a device"
            raise unavailable("law", why, "take the law on the host" + (", or float64" if kind == "float32" else ""))
        return values

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens, EOS first."""
        return self.law.vocabulary

    @property
    def parts(self) -> tuple[str, ...]:
        """The rules or arcs, as those of the law on the host."""
        return self.law.parts

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw `number` independent strings on the host: int32[number, T]."""
        return self.law.sample(rng, number)

    def log_prob(self, batch: Batch) -> np.ndarray:
        """log P(x) [nat] of every string, its end included: float64[N]; -inf outside the support."""
        return self._along("log_prob", batch)

    def prefix_log_prob(self, batch: Batch) -> np.ndarray:
        """log P(a string begins with the first t tokens of the row) [nat], for t = 0 ... T: float64[N, T + 1]."""
        return self._along("prefix_log_prob", batch)

    def next_token(self, batch: Batch) -> np.ndarray:
        """P(next token | the first t tokens of the row), EOS first, for t = 0 ... T: float64[N, T + 1, V]."""
        return self._along("next_token", batch)

    def parse(self, batch: Batch) -> Uses:
        """The expected uses of every rule or arc, given the string; on the host."""
        return self.law.parse(batch)

    def entropy(self) -> float:
        """H(P) [nat per string], exact; on the host."""
        return self.law.entropy()

    def latent_entropy(self) -> float:
        """Entropy of derivations or paths [nat], exact; on the host."""
        return self.law.latent_entropy()

    def expected_length(self) -> float:
        """E|x| [symbols], EOS not counted, exact; on the host."""
        return self.law.expected_length()

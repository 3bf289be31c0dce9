"""The arrays of one world in an archive: its strings, the laws of data and of models on them, equal ones once."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sim.disk.records import Record
from sim.disk.worlds import language_description
from sim.languages.finite import FiniteLanguage
from sim.metrics.law_record import EXITS_OF_ALL, EXITS_OF_PROMPTS, LOG_PROMPT, LOG_Q, law_record
from sim.metrics.scored import VIEWS, TrieView

OF_A_MODEL = {"log_q": LOG_Q, "log_q_prompt": LOG_PROMPT, "exits": EXITS_OF_PROMPTS, "exits_joint": EXITS_OF_ALL}
"""Names of the arrays with a row for each model, and those of the same numbers in a record."""

MORE = "more/"
"""Beginning of the names of all other arrays; the rest is the beginning of their SHA-256."""

_DIGITS = 16
_DATE = (1980, 1, 1, 0, 0, 0)  # of every file in an npz file, so that equal arrays have equal bytes


def digest(*values: np.ndarray) -> str:
    """Hexadecimal digits of the SHA-256 of arrays with their types and shapes."""
    sums = hashlib.sha256()
    for one in values:
        sums.update(f"{one.dtype.str}{one.shape}".encode() + np.ascontiguousarray(one).tobytes())
    return sums.hexdigest()[:_DIGITS]


def world_name(p: FiniteLanguage) -> str:
    """12 hexadecimal digits of the SHA-256 of P: its vocabulary, strings, probabilities and styles."""
    posterior = [] if p.styles is None else [p.styles.log_posterior]
    words = json.dumps(language_description(p), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256((words + digest(p.trie.strings, p.log_p, *posterior)).encode()).hexdigest()[:12]


@dataclass
class Rows:
    """Tuples of arrays, each once."""

    values: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)

    def add(self, *one: np.ndarray) -> int:
        """Return the number of a tuple of arrays, which is added unless it is there."""
        found = self._known.setdefault(digest(*one), len(self.values))
        if found == len(self.values):
            self.values.append(one)
        return found


class WorldTables:
    """What an archive holds of the runs of one world. `p` is its language."""

    def __init__(self, p: FiniteLanguage) -> None:
        self.p = p
        self.views = {view: TrieView.of(p.trie, p.prompts, view) for view in VIEWS}
        self.models, self.laws, self.events = Rows(), Rows(), Rows()
        self.more: dict[str, np.ndarray] = {}

    def add_model(self, record: Record, phase: str, index: int) -> int:
        """Return the row of the model of an evaluation."""
        found = record.phases[phase].at(index)
        laws = found if LOG_Q in found else law_record(self.views, record.p.prompts, found)
        return self.models.add(*(laws[name] for name in OF_A_MODEL.values()))

    def add(self, values: np.ndarray) -> tuple[str, int | str]:
        """Return the place of any other array: the name of a table and its row there, or `MORE` and its digest."""
        if values.shape == self.p.log_p.shape and values.dtype in (np.float64, np.bool_):
            name, table = ("laws", self.laws) if values.dtype == np.float64 else ("events", self.events)
            return name, table.add(values)
        name = digest(values)
        self.more[name] = values
        return MORE, name

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by name."""
        p, prompts = self.p, self.p.prompts
        found = {
            "strings": p.trie.strings, "log_p": p.log_p, "prompt": prompts.group, "prompt_length": prompts.length,
            "log_prompt": prompts.log_p, "symbols": np.array(p.vocabulary.symbols),
        }  # fmt: skip
        if p.styles is not None:
            found |= {"styles": np.array(p.styles.names), "log_style": p.styles.log_posterior}
        columns = zip(*self.models.values, strict=True)
        found |= {name: np.stack(column) for name, column in zip(OF_A_MODEL, columns, strict=True)}
        for name, table in (("laws", self.laws), ("events", self.events)):
            found |= {name: np.stack([one for (one,) in table.values])} if table.values else {}
        return found | {f"{MORE}{name}": self.more[name] for name in sorted(self.more)}


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as the bytes of an npz file, which are the same whenever the arrays are."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as target:
        for name, values in arrays.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.ascontiguousarray(values), allow_pickle=False)
            target.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), one.getvalue())
    return data.getvalue()


def unpacked(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file. Raises ValueError for any other bytes."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, AttributeError) as problem:
        raise ValueError(f"an npz file of plain arrays is required ({problem})") from None

"""A world of the page: a language, a pretrained model q0 in half precision, and log q0, as one JSON file.

The parameters are rounded to half precision, and the rounded ones are q0. Everything that is derived from q0 is
computed from them.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classroom.training import Pretraining, log_probs, pretrained
from sim.config import construct
from sim.languages.finite import FiniteLanguage
from sim.models.transformer import Transformer, transformer
from sim.numerics import SpecificationError, expectation
from sim.training.flat import flat, unflat

FOLDER = Path(__file__).parent / "worlds"
"""The frozen worlds."""

LARGEST = 160_000
"""The largest size of a file [bytes]."""

WIDTH, DEPTH, HEADS, MLP_RATIO = 32, 2, 2, 4
"""The shape of the transformer of every world."""

LIMIT = 0.02
"""The largest KL(P||q0) of whole documents [nat]."""

DIGITS = 7
"""Decimals of log q0. Its error is that of the float32 logits, about 1e-6 nat."""


@dataclass(frozen=True)
class Recipe:
    """How a world is made: the arguments of its grammar, and the language of its words ("en" or "zh")."""

    grammar: Mapping[str, Any]
    language: str


RECIPES = {
    "english": Recipe({"kind": "english", "words": "classroom", "num_prompts": 4}, "en"),
    "chinese": Recipe({"kind": "chinese", "words": "classroom", "num_prompts": 4}, "zh"),
    "examples": Recipe(
        {
            "kind": "few_shot",
            "num_prompts": 1,
            "num_styles": 2,
            "num_symbols": 2,
            "num_examples": [0.3, 0.3, 0.4],
            "overlap": 0.2,
        },
        "en",
    ),
}
"""The frozen worlds by name."""


def recipe(name: str) -> Recipe:
    """Return the recipe of a world. Raises SpecificationError for an unknown name."""
    if name not in RECIPES:
        raise SpecificationError(f"world: one of {', '.join(RECIPES)} is required, found {name!r}; choose one of them")
    return RECIPES[name]


def language_of(name: str) -> FiniteLanguage:
    """Return P. Raises SpecificationError for an unknown name, and if the grammar refuses its arguments."""
    built = construct("grammar", recipe(name).grammar, "grammar")
    found: FiniteLanguage = built[0] if isinstance(built, tuple) else built
    return found


def model_of(p: FiniteLanguage) -> Transformer:
    """Return the transformer of a world, without parameters."""
    return transformer(p.trie, width=WIDTH, depth=DEPTH, heads=HEADS, mlp_ratio=MLP_RATIO)


def truth(name: str, p: FiniteLanguage) -> dict[str, Any]:
    """Return the part of a world that the grammar alone decides."""
    styles = p.styles
    assert styles is not None, "every grammar of the page has styles"
    chosen = recipe(name)
    posterior = np.exp(styles.log_posterior)
    return {
        "name": name,
        "language": chosen.language,
        "symbols": list(p.vocabulary.symbols),
        "joiner": p.vocabulary.joiner,
        "styles": list(styles.names),
        "strings": p.trie.strings.tolist(),
        "promptLength": p.prompts.length.tolist(),
        "prompt": p.prompts.group.tolist(),
        "style": np.argmax(posterior, axis=1).tolist(),
        "posterior": None if styles.disjoint else posterior.tolist(),
        "shots": _shots(p).tolist(),
        "logP": p.log_p.tolist(),
    }


def _shots(p: FiniteLanguage) -> np.ndarray:
    """The number of worked examples before the question: int[N]. An example ends with ";", which no other world has."""
    if ";" not in p.vocabulary.symbols:
        return np.zeros(len(p.log_p), int)
    at = np.arange(p.trie.length) < p.prompts.length[:, None]
    return np.sum((p.trie.strings == p.vocabulary.index(";")) & at, axis=1)


def frozen(name: str) -> dict[str, Any]:
    """Make a world: pretrain on P, round the parameters, compute log q0. Raises SpecificationError if q0 is too far."""
    p = language_of(name)
    model = model_of(p)
    arrays = {key: value.astype("<f2") for key, value in flat(pretrained(p, model, Pretraining())).items()}
    params = parameters(model, arrays)
    answer, document = log_probs(p, model, params)
    far = forgetting(p, document)
    if not far <= LIMIT:
        raise SpecificationError(f"{name}: KL(P||q0) <= {LIMIT:g} nat is required, found {far:.4g}; train for longer")
    half = base64.b64encode(b"".join(value.tobytes() for value in arrays.values())).decode()
    world = truth(name, p) | {
        "model": {"width": WIDTH, "depth": DEPTH, "heads": HEADS, "mlpRatio": MLP_RATIO},
        "q0": {
            "half": half,
            "arrays": [{"name": key, "shape": list(value.shape)} for key, value in arrays.items()],
        },
        "logQ0": np.round(answer, DIGITS).tolist(),
    }
    return {"hash": digest(world)} | world


def digest(world: Mapping[str, Any]) -> str:
    """Return the hash of everything in a world but its hash: 12 hexadecimal digits of SHA-256."""
    rest = {key: value for key, value in world.items() if key != "hash"}
    text = json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def forgetting(p: FiniteLanguage, log_q: np.ndarray) -> float:
    """KL(P||q) of whole documents [nat]."""
    return expectation(p.log_p, p.log_p - log_q)


def parameters(model: Transformer, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return float32 parameters of a model from arrays by name."""
    import jax

    like = jax.eval_shape(model.init, jax.random.key(0))
    return jax.tree.map(jax.numpy.asarray, unflat({key: v.astype(np.float32) for key, v in arrays.items()}, like))


def stored(world: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the parameters of a world by name, as they are in its file."""
    numbers = np.frombuffer(base64.b64decode(world["q0"]["half"]), "<f2")
    found, begin = {}, 0
    for entry in world["q0"]["arrays"]:
        size = int(np.prod(entry["shape"]))
        found[entry["name"]] = numbers[begin : begin + size].reshape(entry["shape"])
        begin += size
    return found


def text_of(world: Mapping[str, Any]) -> str:
    """Return the content of the file of a world."""
    return json.dumps(world, ensure_ascii=False, separators=(",", ":")) + "\n"


def read(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Read a frozen world. Raises SpecificationError if there is no such file."""
    file = folder / f"{name}.json"
    fix = f"run python -m classroom freeze {name}"
    if not file.is_file():
        raise SpecificationError(f"{file}: a frozen world is required, found none; {fix}")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise SpecificationError(f"{file}: JSON is required, found {problem}; {fix}") from None
    missing = sorted({"hash", "q0", "logQ0"} - set(found if isinstance(found, dict) else ()))
    if missing:
        raise SpecificationError(f"{file}: the keys of a world are required, found no {', '.join(missing)}; {fix}")
    return dict(found)

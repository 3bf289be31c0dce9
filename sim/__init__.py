"""Exact languages, small transformers, and what fine-tuning does to their diversity, measured against the truth.

    import sim

    result = sim.simulate(grammar="english", restriction={"kind": "style", "keep": "assistant"}, seed=1)
    result                                                # the conclusions
    result.table()                                        # every number, as a polars table
    result.figure("styles")                               # a figure
    result.model("finetuned").sample(5, prompt="what is the moon like ?")
    result.finetune(restriction={"keep": "pirate"})       # again, from the same pretrained model

`sim.read("outputs/<name>/<hash>")` reads the record of a run, and `sim.model_of(record)` is a model of it. The commands
are `python -m sim.run`, `sim.rows`, `sim.status`, `sim.cancel`, `sim.verify`, `sim.describe` and `sim.selftest`.
Models of other trainers take an exam: `sim.export_world`, `sim.score_model`, `sim.estimate_model`,
`python -m sim.export` and `sim.score`.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Automaton": "sim.languages.automaton",
    "Chain": "sim.languages.chain",
    "ContextFree": "sim.languages.pcfg.language",
    "ExactLanguage": "sim.languages.exact",
    "FiniteLanguage": "sim.languages.finite",
    "HiddenAutomaton": "sim.languages.hidden",
    "HiddenChain": "sim.languages.hidden_chain",
    "Law": "sim.laws.protocol",
    "Quantity": "sim.quantity",
    "Record": "sim.disk.records",
    "Restricted": "sim.languages.restricted",
    "Result": "sim.interface.result",
    "SpecificationError": "sim.numerics",
    "Trie": "sim.languages.trie",
    "Vocabulary": "sim.languages.vocabulary",
    "coemission": "sim.languages.coemission",
    "dial": "sim.languages.dial",
    "divergences": "sim.metrics.comparison",
    "estimate_model": "sim.interface.exam",
    "excess_entropy": "sim.languages.chain_rates",
    "export_world": "sim.interface.exam",
    "kl_rate": "sim.languages.chain_rates",
    "law": "sim.laws.reading",
    "length_variance": "sim.languages.moments",
    "likeliest": "sim.languages.likeliest",
    "likeliest_path": "sim.languages.paths",
    "metrics_table": "sim.metrics.frames",
    "model_of": "sim.interface.model",
    "on_device": "sim.languages.device",
    "read": "sim.disk.folders",
    "score_model": "sim.interface.exam",
    "settings": "sim.running.build",
    "simulate": "sim.interface.simulate",
    "spectral_radius": "sim.languages.spectrum",
    "tilt": "sim.languages.tilting",
    "varentropy": "sim.languages.moments",
}
"""The public names and where they live; a name is imported when it is first asked for, so `import sim` loads no jax."""

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """A public name, imported on demand; raises AttributeError for any other."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    """The public names, also those that nobody has asked for yet."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})

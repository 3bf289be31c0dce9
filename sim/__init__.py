"""Exact languages, small transformers, and what fine-tuning does to diversity, measured against the truth."""

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
    "Quantity": "sim.quantity",
    "Record": "sim.disk.records",
    "Restricted": "sim.languages.restricted",
    "SpecificationError": "sim.numerics",
    "Trie": "sim.languages.trie",
    "Vocabulary": "sim.languages.vocabulary",
    "dial": "sim.languages.dial",
    "divergences": "sim.metrics.comparison",
    "likeliest": "sim.languages.likeliest",
    "metrics_table": "sim.metrics.frames",
    "on_device": "sim.languages.device",
    "read": "sim.disk.records",
    "settings": "sim.running.build",
    "simulate": "sim.training.simulation",
    "tilt": "sim.languages.tilting",
}
"""The public names and where they live; a name is imported when it is first asked for, so `import sim` loads no jax."""

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """A public name, imported on demand; raises AttributeError for any other."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)

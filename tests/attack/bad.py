"""Bad streams, places, values and environments."""

import os
from pathlib import Path

NULL = os.devnull

STREAMS: dict[str, tuple[str, str, str]] = {
    "standard input closed": ("closed", "kept", "kept"),
    "output closed": (NULL, "closed", "kept"),
    "errors closed": (NULL, "kept", "closed"),
    "all closed": ("closed", "closed", "closed"),
    "output full": (NULL, "/dev/full", "kept"),
    "errors full": (NULL, "kept", "/dev/full"),
    "both full": (NULL, "/dev/full", "/dev/full"),
    "reader of the output gone": (NULL, "broken", "kept"),
    "reader of the errors gone": (NULL, "kept", "broken"),
}

ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "ASCII": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    "UTF-16": {"PYTHONIOENCODING": "utf-16"},
    "a dumb terminal": {"TERM": "dumb"},
    "no terminal": {"TERM": None},
    "one column": {"COLUMNS": "1", "LINES": "1"},
    "no columns": {"COLUMNS": "0"},
    "nonsense columns": {"COLUMNS": "many"},
    "no colour": {"NO_COLOR": "1", "FORCE_COLOR": "1"},
    "no home": {"HOME": None, "USER": None},
    "no temporary folder": {"TMPDIR": "/nowhere"},
}

VALUES = (
    "", "nan", "inf", "-1", "0", "1.5", "1e400", "9" * 400, "abc", "٣", "1_000", "0x10", "null", "[1,2]", "{a: 1}",
    "[", "{", "a=b", "1,2", "a'b\"c", "\\", "--", "-", "#a", "&a *a", "!!python/object:os.system {}", "${nix}",
    "${nix:1}", "${.}", "a\nb", "\x1b[31m", "a\udcff", "n" * 5000, "kind: x", "regular, pattern: '('",
    "top_mass, mass: nan", "_target_=os.system",
)  # fmt: skip
"""What a person may write behind a flag or a key, and hardly ever means."""

FOR_HYDRA = (
    "", "nan", "abc", "٣", "null", "[1,2]", "{a: 1}", "[", "a=b", "1,2", "glob(*)", "interval(0,1)", "${nix}",
    "${oc.env:NIX}", "???", "a\nb",
)  # fmt: skip
"""The same for overrides of Hydra, with the words of its own language."""

KEYS = (
    "seed", "name", "grammar", "grammar.kind", "model.width", "restriction.keep", "experiment", "finetune.probes",
    "finetune.controls", "optimizer.learning_rate", "optimizer@pretrain.optimizer", "claim", "dial.entropy", "relearn",
    "hydra/launcher", "hydra.launcher.workers", "hydra.sweeper.max_batch_size", "+x", "~seed", "grammar@x", "_target_",
)  # fmt: skip
"""Typical keys: a number, a text, a list, a mapping, a group, a constructor, and those of Hydra."""


def places(folder: Path) -> dict[str, str]:
    """Bad places, some of them below an empty folder. Permissions are not among them, because they do not bind root."""
    (folder / "file").write_text("x", encoding="utf-8")
    (folder / "empty").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "dangling").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    return {
        "a folder below a file": f"{folder}/file/x",
        "a file": f"{folder}/file",
        "a folder of the kernel": "/proc/x",
        "a place below a device": f"{NULL}/x",
        "a device": "/dev/full",
        "a pipe": f"{folder}/pipe",
        "a long name": f"{folder}/{'n' * 300}",
        "a long path": "/".join(["a" * 100] * 60),
        "a line end": f"{folder}/file/a\nb",
        "no characters": f"{folder}/file/a\udcff",
        "a NUL": "a\0b",
        "an escape": f"{folder}/file/\x1b[31m",
        "nothing": "",
        "a loop": f"{folder}/loop/x",
        "a link that leads nowhere": f"{folder}/dangling",
        "a home of nobody": "~nobody-at-all/file/x",
    }

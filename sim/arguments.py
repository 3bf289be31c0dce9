"""The command line as people write it: flags anywhere, and values that need quotes of their own."""

import re
import shlex
from collections.abc import Sequence

VALUED = (
    "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd", "--package", "-p", "--cfg", "-c",
    "--info", "-i",
)  # fmt: skip
"""Flags of Hydra that can be followed by a value."""


def flags_first(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with all flags before the overrides, because Hydra understands them only there."""
    flags, overrides, left = [], [], list(arguments)
    while left:
        one = left.pop(0)
        if not one.startswith("-") or "=" in one.partition("--")[0]:
            overrides.append(one)
            continue
        flags.append(one)
        if one in VALUED and left and "=" not in left[0]:
            flags.append(left.pop(0))
    return flags + overrides


def quoted(override: str) -> str:
    """Return an override as it must be written in a shell, so that Hydra reads its value as one text."""
    key, _, value = override.partition("=")
    inner = re.sub(r'(\\*)"', r'\1\1\\"', value)  # a backslash is special to Hydra only before a quote
    inner += "\\" * (len(inner) - len(inner.rstrip("\\")))
    return shlex.quote(f'{key}="{inner}"')

"""The command line as people write it: flags anywhere, values that need quotes of their own, numbers with limits."""

import argparse
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sim.numerics import in_one_line, visible

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
    return in_shell(f'{key}="{inner}"')


def in_shell(text: str) -> str:
    r"""Return a text as one word of a shell. One with characters that cannot be printed is written as $'...\n...'."""
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(_in_dollar(one) for one in text)}'"


def _in_dollar(one: str) -> str:
    if one.isprintable():
        return f"\\{one}" if one in "\\'" else one
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(one))


class Parser(argparse.ArgumentParser):
    """A parser whose help keeps its lines, and whose refusals are one line after the usage."""

    def __init__(self, **given: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **given)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, but refuse `--flag=--`, for which argparse returns an empty list instead of a value."""
        words = sys.argv[1:] if args is None else list(args)
        for word in words[: words.index("--") if "--" in words else None]:
            if re.fullmatch(r"--[\w-]+=--", word):
                self.error(f"argument {word[:-3]}: a value is required, found '--'")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> Any:
        """Print the usage and one line, and end with the exit status 2. What cannot be printed is shown as escapes."""
        super().error(in_one_line(visible(message)))


def whole(least: int, most: int = 10**9) -> Callable[[str], int]:
    """Return a type for argparse: integers in decimal digits, from `least` to `most`."""

    def read(text: str) -> int:
        found = int(text) if re.fullmatch(r"[+-]?[0-9]{1,30}", text) else None
        if found is not None and least <= found <= most:
            return found
        limit = f"of at least {least}" if found is None or found < least else f"of at most {most}"
        raise argparse.ArgumentTypeError(
            f"an integer {limit} is required, found {text if found is not None else repr(text)}"
        )

    return read


def number(text: str) -> float:
    """Read a number, as a type for argparse; `nan` is none. Limits are those of the quantity."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"a number is required, found {text!r}")
    return value

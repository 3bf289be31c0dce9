"""Run a task with Hydra: one line on stderr for every mistake of the user. Nothing slow is imported here."""

import functools
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO, cast

import hydra
import yaml
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException

from sim.arguments import quoted
from sim.config import conf_folder, conf_folders, known_names, members
from sim.numerics import SpecificationError, nearest
from sim.streams import INTERRUPTION, status_of

HYDRA_KWARGS: dict[str, Any] = (
    {"version_base": "1.3"} if tuple(map(int, version("hydra-core").split(".")[:2])) < (1, 4) else {}
)
"""Without `version_base`, Hydra below 1.4 behaves like 1.1. Version 1.4 deprecates the argument."""

REFUSED = 2
"""Exit status for bad input."""


OmegaConf.register_new_resolver("members", lambda kind: ", ".join(members(kind)), replace=True)
"""`${members:<kind>}` in a configuration lists the members of a kind; the help uses it."""


class FailedPointsError(Exception):
    """A run of a multirun failed and was listed with its reason. `status` is the exit status of the multirun."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


_MISTAKES = (HydraException, InterpolationResolutionError, MissingMandatoryValue, SpecificationError, yaml.YAMLError)


def run_hydra(task: Callable[[DictConfig], object], config_name: str = "config", directory: Path | None = None) -> int:
    """Compose the configuration from the command line, run `task` on it, and return the exit status.

    0: done. 2: the configuration is wrong, or the task refused a value with SpecificationError. Then one line on stderr
    says what is wrong and how to correct it (in a multirun one line for each such job, after the other jobs). 130, 143,
    129: interrupted. If a multirun has listed its failures itself, the status is that of its FailedPointsError. Other
    exceptions pass through with their tracebacks. With HYDRA_FULL_ERROR=1 all exceptions do.
    `directory` holds the configurations; None means the project's own, `sim.config.conf_folder()`.
    """
    directory = directory or conf_folder()
    refusals: list[str] = []
    stderr = _JobFailuresHeld(sys.stderr)
    explained = functools.partial(explain, arguments=sys.argv[1:], config_name=config_name, directory=directory)
    noting = _noting(task, lambda error: refusals.append(explained(error)), sys.stderr)
    entry = hydra.main(config_path=str(directory), config_name=config_name, **HYDRA_KWARGS)(noting)
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        entry()
        return 0
    try:
        with _raising_hydra(), redirect_stderr(stderr):
            entry()
    except KeyboardInterrupt as interruption:
        print(INTERRUPTION, file=sys.stderr)
        return status_of(interruption)
    except FailedPointsError as failure:
        return failure.status
    except Exception as error:
        if _is_mistake(error):
            refusals.append(explained(error))
        print(*dict.fromkeys(refusals), sep="\n", end="\n" if refusals else "", file=sys.stderr)
        if _is_mistake(error):
            return REFUSED
        sys.stderr.write(stderr.held)
        raise
    return 0


def explain(error: Exception, arguments: list[str], config_name: str, directory: Path) -> str:
    """Explain a mistake in the configuration in one line: place, requirement, value found, nearest valid name.

    `arguments` are the arguments of the command line. `config_name` and `directory` say what was composed. Options of
    installed packages are known too.
    """
    refusal = _refusal_behind(error)
    if refusal is not None:
        line = str(refusal)
    elif isinstance(error, OverrideParseException):
        line = _parse_error(error)
    elif isinstance(error, MissingConfigException) and error.options is not None:
        line = _unknown_option(error, arguments, directory)
    elif isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line = f"{error.problem_mark.name}, line {error.problem_mark.line + 1}: not valid YAML, {error.problem}"
    elif isinstance(error, OmegaConfBaseException):
        line = _value_error(error, arguments, directory)
    else:
        line = _composition_error(error, arguments, config_name, directory)
    return " ".join(line.split())


def _composition_error(error: Exception, arguments: list[str], config_name: str, directory: Path) -> str:
    text, cause = str(error), error.__cause__
    unknown = re.search(r"Could not override '(.+?)'|'(.+?)' does not\s+exist", text)
    several = re.search(r"Ambiguous value for argument '(.+?)'$|Sweep parameters '(.+?)' requires", text, re.MULTILINE)
    merged = re.match(r"Error merging override (.+)", text)
    if text.startswith("Config group override must be"):
        return _no_option(arguments, directory)
    present = re.search(r"An item is already at '(.+?)'", text)
    if unknown:
        key = getattr(cause, "full_key", None) or unknown[1] or unknown[2]  # the cause holds the key inside a mapping
        return _unknown_key(key, arguments, config_name, directory)
    if several:
        override = several[1] or several[2]
        fix = f"sweep with --multirun, write [1,2] for a list, or quote one value: {quoted(override)}"
        return f"{override}: one value is required, found several; {fix}"
    if present:
        return f"{present[1]}: already in the configuration; leave out the +"
    if merged and cause is not None:
        return f"{merged[1]}: {str(cause).splitlines()[0]}"
    if not text and isinstance(cause, OmegaConfBaseException):
        return _value_error(cause, arguments, directory)
    return re.split(r"Config search path:|See https", text)[0]


def _parse_error(error: OverrideParseException) -> str:
    lines = [line for line in error.message.splitlines() if not line.startswith(("See ", "Error parsing override"))]
    detail = lines[0].split(" expecting ")[0] if lines else "cannot be read"
    return f"{error.override}: key=value is required ({detail}); quote the value: {quoted(str(error.override))}"


def _unknown_option(error: MissingConfigException, arguments: list[str], directory: Path) -> str:
    group, _, choice = str(error.missing_cfg_file).rpartition("/")
    options = list(error.options or [])
    pattern = rf"\b{re.escape(group)}\s*[:=]\s*{re.escape(choice)}\b"
    where = _written_in(pattern, arguments, directory)
    return f"{group}: one of {', '.join(options)} is required, found '{choice}'{where}{nearest(choice, options)}"


def _no_option(arguments: list[str], directory: Path) -> str:
    """Explain that a group was set to a number or null. Hydra refuses this without naming the group."""
    for argument in arguments:
        group, _, choice = argument.partition("=")
        options = _options(group.partition("@")[0].lstrip("+"), directory)
        if options and choice not in options:
            return f"{group}: one of {', '.join(options)} is required, found {choice}"
    return "a group: the name of one of its options is required"


def _value_error(error: OmegaConfBaseException, arguments: list[str], directory: Path) -> str:
    text = str(error).splitlines()[0]
    missing = re.match(r"Missing mandatory value: (.+)", text)
    if missing:
        key = error.full_key or missing[1]
        return f"{key}: a value is required, found nothing; write {key}=..."
    target = re.search(r"Interpolation key '(.+?)' not found", text)
    where = _written_in(rf"\$\{{{re.escape(target[1])}\}}", arguments, directory) if target else ""
    return f"{error.full_key}: {text}{where}" if error.full_key else f"{text}{where}"


def _written_in(pattern: str, arguments: list[str], directory: Path) -> str:
    """Return " in <file>" for the first configuration file that matches; "" if the command line matches."""
    if any(re.search(pattern, argument) for argument in arguments):
        return ""
    for folder in _folders(directory):
        for file in sorted(folder.rglob("*.yaml")):
            if re.search(pattern, file.read_text(encoding="utf-8")):
                return f" in {file.relative_to(folder) if folder == directory else file}"
    return ""


def _unknown_key(key: str, arguments: list[str], config_name: str, directory: Path) -> str:
    """Explain that a key is unknown. In a multirun it may be unknown for only some of a group's choices."""
    turns = max((argument.count(",") for argument in arguments), default=0)
    lines = (
        _unknown_in(key, _composed(arguments, config_name, directory, turn), _groups(directory))
        for turn in range(turns + 1)
    )
    return next((line for line in lines if line), f"{key}: there is no such key in the configuration")


def _unknown_in(key: str, composed: dict[str, Any], groups: list[str]) -> str | None:
    node: Any = composed
    place = ""
    for part in key.split("."):
        if not isinstance(node, dict):
            return f"{key}: {place} is a value and has no '{part}'"
        owner = node.get("kind") or place or "the configuration"
        try:
            known_names([part], [*node, *(groups if not place else [])], owner, place)
        except SpecificationError as refusal:
            return str(refusal)
        node, place = node.get(part), f"{place}.{part}".lstrip(".")
    return None


def _folders(directory: Path) -> list[Path]:
    return [directory, *conf_folders()[1:]]


def _groups(directory: Path) -> list[str]:
    places = [place for folder in _folders(directory) for place in folder.iterdir()]
    return sorted({place.name for place in places if place.is_dir() and place.name.isidentifier()})


def _options(group: str, directory: Path) -> list[str]:
    return sorted({file.stem for folder in _folders(directory) for file in (folder / group).glob("*.yaml")})


def _composed(arguments: list[str], config_name: str, directory: Path, turn: int) -> dict[str, Any]:
    """Compose the configuration with only the valid choices of groups on the command line, to look up names.

    If a group has several choices, the choice with the index `turn` is used, or the last one.
    """
    pairs = [argument.partition("=")[::2] for argument in arguments if "=" in argument]
    choices = [(group, names.split(",")[: turn + 1][-1]) for group, names in pairs]
    valid = [f"{group}={name}" for group, name in choices if name in _options(group, directory)]
    with hydra.initialize_config_dir(config_dir=str(directory), **HYDRA_KWARGS):
        try:
            config = hydra.compose(config_name, valid, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException, yaml.YAMLError):
            return {}
    composed = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    return composed


def chosen_of(known: Any) -> tuple[dict[str, Any], set[str]]:
    """Return the option of every group, and the dotted keys that the user wrote, from the configuration of Hydra."""
    return dict(known.runtime.choices), {str(one).partition("=")[0].lstrip("+~") for one in known.overrides.task}


def _is_mistake(error: Exception) -> bool:
    """Return whether the user can correct an error. If Hydra failed to call a constructor, this is a program error."""
    if isinstance(error, InstantiationException):
        return _refusal_behind(error) is not None
    if type(error) is ValueError:  # Hydra refuses combinations of flags, or groups that are set to numbers, in this way
        last = traceback.extract_tb(error.__traceback__)[-1]
        return last.name == "_run_hydra" or Path(last.filename).parent == Path(hydra.__file__).parent / "_internal"
    return isinstance(error, _MISTAKES)


def _refusal_behind(error: BaseException | None) -> SpecificationError | None:
    """Return the SpecificationError behind an error: its cause or its context at any depth; None if there is none."""
    while error is not None and not isinstance(error, SpecificationError):
        error = error.__cause__ or error.__context__
    return error


def _noting(
    task: Callable[[DictConfig], object], note: Callable[[Exception], None], stderr: TextIO
) -> Callable[[DictConfig], object]:
    """Return the task with every mistake noted, because Hydra reports only the first failure of a multirun."""

    @functools.wraps(task)
    def noting(config: Any) -> object:
        with redirect_stderr(stderr):
            try:
                return task(config)
            except Exception as error:
                if _is_mistake(error):
                    note(error)
                raise

    return noting


@contextmanager
def _raising_hydra() -> Iterator[None]:
    """Within this context Hydra raises exceptions that it would otherwise print."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before


class _JobFailuresHeld:
    """A stderr that holds back Hydra's line about a failed job, because a mistake of the user is told in one line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.held = stream, ""

    def write(self, text: str) -> int:
        if text.startswith("Error executing job with overrides"):
            self.held += text
            return len(text)
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

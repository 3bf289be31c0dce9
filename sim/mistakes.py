"""Mistakes on the command line of Hydra, each explained in one line. Nothing slow is imported here."""

import re
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import hydra
import yaml
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException

from sim.arguments import quoted
from sim.config import conf_folders, known_names
from sim.numerics import SpecificationError, in_one_line, nearest, visible

HYDRA_KWARGS: dict[str, Any] = (
    {"version_base": "1.3"} if tuple(map(int, version("hydra-core").split(".")[:2])) < (1, 4) else {}
)
"""Without `version_base`, Hydra below 1.4 behaves like 1.1. Version 1.4 deprecates the argument."""

_MISTAKES = (HydraException, InterpolationResolutionError, MissingMandatoryValue, SpecificationError, yaml.YAMLError)


def is_mistake(error: Exception) -> bool:
    """Return whether the user can correct an error. If Hydra failed to call a constructor, this is a program error."""
    if isinstance(error, InstantiationException):
        return _refusal_behind(error) is not None
    if type(error) is ValueError:  # Hydra refuses combinations of flags, or groups that are set to numbers, in this way
        last = traceback.extract_tb(error.__traceback__)[-1]
        return last.name == "_run_hydra" or Path(last.filename).parent == Path(hydra.__file__).parent / "_internal"
    if type(error) is TypeError:  # a group was set to a list
        return Path(traceback.extract_tb(error.__traceback__)[-1].filename).name == "defaults_list.py"
    return isinstance(error, _MISTAKES)


def _refusal_behind(error: BaseException | None) -> SpecificationError | None:
    """Return the SpecificationError behind an error: its cause or its context at any depth; None if there is none."""
    while error is not None and not isinstance(error, SpecificationError):
        error = error.__cause__ or error.__context__
    return error


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
    elif isinstance(error, MissingConfigException) and (unknown := _unknown_option(error, arguments, directory)):
        line = unknown
    elif isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line = f"{error.problem_mark.name}, line {error.problem_mark.line + 1}: not valid YAML, {error.problem}"
    elif isinstance(error, OmegaConfBaseException):
        line = _value_error(error, arguments, directory)
    else:
        line = _composition_error(error, arguments, config_name, directory)
    return visible(in_one_line(line))


def _composition_error(error: Exception, arguments: list[str], config_name: str, directory: Path) -> str:
    text, cause = str(error), error.__cause__
    unknown = re.search(r"Could not override '(.+?)'|'(.+?)' does not\s+exist", text)
    several = re.search(r"Ambiguous value for argument '(.+?)'$|Sweep parameters '(.+?)' requires", text, re.MULTILINE)
    merged = re.match(r"Error merging override (.+)", text)
    if text.startswith("Config group override must be") or isinstance(error, TypeError):
        return _no_option(arguments, directory)
    present = re.search(r"An item is already at '(.+?)'", text)
    if (fixed := _reworded(text, cause, arguments)) is not None:
        return fixed
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
        return f"{merged[1]}: {str(cause).splitlines()[0].split(' expecting ')[0]}"
    if not text and isinstance(cause, OmegaConfBaseException):
        return _value_error(cause, arguments, directory)
    return re.split(r"Config search path:|See https", text)[0]


def _reworded(text: str, cause: BaseException | None, arguments: list[str]) -> str | None:
    """Return a line instead of a text of Hydra that names no argument, or no requirement; None for other texts."""
    deleted = re.match(r"Could not delete from config\. The value of '(.+?)' is (.*) and not (.*)\.$", text)
    if deleted:
        return f"~{deleted[1]}: the present value {deleted[2]} is required, found {deleted[3]}; leave the value out"
    if swept := re.match(r"Sweeping over Hydra's configuration is not supported : '(.+)'", text):
        return f"{swept[1]}: one value is required, found several; Hydra cannot sweep its own configuration"
    merged = re.match(r"Error merging override (.+?)=(.*)", text)
    if merged and str(cause).startswith("Cannot merge DictConfig with"):
        return f"{merged[1]}: a mapping of names to values is required, found {merged[2]}"
    if absent := re.match(r"You must specify '(.+?)'.*Available options:(.*)", text, re.DOTALL):
        return f"{absent[1]}: one of {', '.join(absent[2].split())} is required, found nothing"
    if dangling := re.match(r"Error resolving interpolation '(.+?)'", text):
        key = next((one.partition("=")[0] for one in arguments if dangling[1] in one), "the configuration")
        return f"{key}: the name of a group is required, found {dangling[1]}; correct it"
    return None


def _parse_error(error: OverrideParseException) -> str:
    text = re.sub(r"LexerNoViableAltException: .*", "a character that needs quotes", error.message, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith(("See ", "Error parsing override"))]
    detail = lines[0].split(" expecting ")[0] if lines else "cannot be read"
    return f"{error.override}: key=value is required ({detail}); quote the value: {quoted(str(error.override))}"


def _unknown_option(error: MissingConfigException, arguments: list[str], directory: Path) -> str | None:
    """Return a line about an option that a group lacks; None if no group is behind it. Of a list Hydra says less."""
    listed = re.search(r"Could not load '(\S+)'", str(error))
    group, _, choice = (listed[1] if listed else str(error.missing_cfg_file)).rpartition("/")
    options = list(error.options or (_options(group, directory) if group else ()))
    if not options:
        return None
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
    text = re.sub(r'^\w+ raised while resolving interpolation: "?(.+?)"?$', r"\1", str(error).splitlines()[0])
    missing = re.match(r"Missing mandatory value: (.+)", text)
    if missing:
        key = error.full_key or missing[1]
        return f"{key}: a value is required, found nothing; write {key}=..."
    target = re.search(r"Interpolation key '(.+?)' not found|Unsupported interpolation type (.+)", text)
    if target is None:
        return f"{error.full_key}: {text}" if error.full_key else text
    pattern = rf"\$\\?\{{{re.escape(target[1] or target[2])}\\?[:}}]"
    where = _written_in(pattern, arguments, directory)
    written = next((one for one in arguments if re.search(pattern, one)), None)  # another key may depend on this one
    key = error.full_key if written is None else written.partition("=")[0].lstrip("+")
    return f"{f'{key}: ' if key else ''}{text}{where}" + (r"; correct it, or write \${ for ${" if written else "")


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
    line = next((line for line in lines if line), _absent(key, directory))
    return line + _chosen_by_a_study(key, arguments, directory)


def _chosen_by_a_study(key: str, arguments: list[str], directory: Path) -> str:
    """Say how to set a key of an option that a file on the command line chooses, such as `method=replay`.

    Its studies choose options run by run, but a key on the command line must be one of all runs.
    """
    group = key.partition(".")[0]
    if any(argument.startswith(f"{group}=") for argument in arguments):
        return ""
    for argument in arguments:
        owner, _, chosen = argument.partition("=")
        for option in re.findall(r"[\w-]+", chosen if owner in _groups(directory) else ""):
            for folder in _folders(directory):
                file = folder / owner / f"{option}.yaml"
                text = file.read_text("utf-8") if file.is_file() else ""
                if text.startswith("# @package hydra.sweeper") and (own := re.search(rf"\b{group}: *(\w+)", text)):
                    return f"; {own[1]} is chosen by {owner}={option}: write {group}={own[1]} on the command line too"
    return ""


def _absent(key: str, directory: Path) -> str:
    """Explain that a key is nowhere, or that it is a group which only some experiments have, such as `method`."""
    files = [file for folder in _folders(directory) for file in sorted((folder / "experiment").glob("*.yaml"))]
    having = [one.stem for one in files if re.search(rf"^  - /{re.escape(key)}:", one.read_text("utf-8"), re.MULTILINE)]
    if not having:
        return f"{key}: there is no such key in the configuration"
    return (
        f"{key}: experiment={' or '.join(having)} is required, which has this group, found another experiment, or none"
    )


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

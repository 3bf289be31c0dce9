"""The built page: equal bytes from equal sources, nothing from a network, a limit of its size; and the exporter."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classroom import checking, worlds
from classroom.__main__ import main
from tests.classroom.conftest import ROOM

World = dict[str, Any]


def built(node: str, out: Path, room: Path = ROOM) -> subprocess.CompletedProcess[str]:
    arguments = [node, str(room / "build.mjs"), "--out", str(out)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def test_the_page_is_one_small_file_with_the_same_bytes_every_time(node: str, tmp_path: Path) -> None:
    pages = [tmp_path / "one.html", tmp_path / "other" / "two.html"]
    for page in pages:
        done = built(node, page)
        assert done.returncode == 0, done.stderr
    one, other = (page.read_bytes() for page in pages)
    assert one == other
    assert len(one) <= 700_000
    text = one.decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "connect-src 'none'" in policy[1]
    assert "http" not in policy[1]
    assert not re.search(r"<(script|link|img|iframe)[^>]*\s(src|href)=\"(?!data:)", text)
    assert str(ROOM) not in text


def test_a_page_that_is_too_large_is_refused(node: str, tmp_path: Path) -> None:
    room = tmp_path / "classroom"
    shutil.copytree(ROOM, room, ignore=shutil.ignore_patterns("node_modules", "tests", "__pycache__"))
    (room / "node_modules").symlink_to(ROOM / "node_modules")
    noise = "".join(map(chr, np.random.default_rng(0).integers(97, 123, 500_000)))
    (room / "recorded" / "noise.json").write_text(json.dumps({"note": noise}), encoding="utf-8")
    done = built(node, tmp_path / "page.html", room)
    assert done.returncode == 1
    assert re.fullmatch(r"classroom.html: at most 700000 bytes are required, found \d+; .*\n", done.stderr)
    assert not (tmp_path / "page.html").exists()


def test_no_committed_file_names_a_registry() -> None:
    lock = (ROOM / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in lock
    assert "omit-lockfile-registry-resolved=true" in (ROOM / ".npmrc").read_text(encoding="utf-8")
    package = json.loads((ROOM / "package.json").read_text(encoding="utf-8"))
    versions = (package["dependencies"] | package["devDependencies"]).values()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)


@pytest.mark.parametrize("name", worlds.RECIPES)
def test_frozen_worlds_are_what_the_grammars_say(name: str) -> None:
    assert list(checking.mistakes(name, worlds.FOLDER)) == []


def test_a_world_that_was_changed_is_noticed(world: Callable[[str], World], tmp_path: Path) -> None:
    one = world("examples")

    def wrong(change: World) -> str:
        (tmp_path / "examples.json").write_text(json.dumps(one | change), encoding="utf-8")
        return "\n".join(checking.mistakes("examples", tmp_path))

    assert wrong({}) == ""
    other = {"logP": [*one["logP"][1:], one["logP"][0]]}
    assert "the hash" in wrong(other)
    honest = one | other
    assert "the logP of the grammar" in wrong(other | {"hash": worlds.digest(honest)})
    off = {"logQ0": [one["logQ0"][0] + 1e-3, *one["logQ0"][1:]]}
    assert "log q0 of its parameters" in wrong(off | {"hash": worlds.digest(one | off)})


def test_the_exporter_refuses_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", "klingon"]) == 2
    assert capsys.readouterr().err.startswith("world: one of english, chinese, examples is required, found 'klingon'")
    assert main(["check", "english", "--folder", str(tmp_path)]) == 2
    assert "a frozen world is required, found none" in capsys.readouterr().err
    (tmp_path / "english.json").write_text("{]", encoding="utf-8")
    assert main(["check", "english", "--folder", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1

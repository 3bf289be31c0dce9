"""The store of pretrainings: what is loaded is what was saved; damage is set aside; the first of two is kept."""

import dataclasses
import json
import math
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sim.disk import store
from sim.disk.files import MANIFEST, publish, verified
from sim.disk.records import PhaseRecord, run_hash
from sim.disk.store import Pretrained, entry, load, save
from tests.unit.faults import ODD, damages, exchanged, fills_up, killed_at, race, rewritten, same_bits, tree

FILES = ("address.json", "arrays.safetensors", "facts.json", "optimizer.safetensors", "params.safetensors")


def key_of(name: str) -> str:
    """The key of the entry that holds `pretrained(..., name)`."""
    return run_hash({"called": name})


K, BEFORE = key_of("k"), key_of("before")


def pretrained(seed: int = 0, name: str = "k") -> Pretrained:
    values = np.random.default_rng(seed)
    phase = PhaseRecord(
        np.array([0, 10]),
        np.array([math.nan, 2.5]),
        {"edge_log_q": values.normal(size=(2, 5)), "exit/odd name": -np.full((2, 3), math.inf)},
    )
    params = ODD | {"head.kernel": np.full((2, 2), seed, np.float32)}
    return Pretrained(phase, params, {"0.count": np.array(seed)}, {"seconds": 1.5, "seed": seed}, {"called": name})


def same(one: Pretrained | None, other: Pretrained) -> bool:
    def arrays(phase: PhaseRecord) -> dict[str, np.ndarray]:
        return {"steps": phase.steps, "losses": phase.losses, **{f"/{name}": v for name, v in phase.arrays.items()}}

    def bits(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
        return same_bits(dict(one), dict(other))

    assert one is not None
    states = bits(one.params, other.params) and bits(one.opt_state, other.opt_state)
    said = one.facts == other.facts and one.content == other.content
    return bits(arrays(one.phase), arrays(other.phase)) and states and said


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    assert load(str(tmp_path), K) is None
    save(str(tmp_path), K, pretrained())
    assert entry(str(tmp_path), K) == tmp_path / "store" / K
    assert sorted(path.name for path in entry(str(tmp_path), K).iterdir()) == sorted([*FILES, MANIFEST])
    assert same(load(str(tmp_path), K), pretrained())
    assert load(str(tmp_path), "other") is None
    assert not same(load(str(tmp_path), K), pretrained(1)), "or this test says nothing"


def test_the_first_is_kept(tmp_path: Path) -> None:
    for seed in (0, 1):
        save(str(tmp_path), K, pretrained(seed))
    assert same(load(str(tmp_path), K), pretrained(0))
    assert [path.name for path in (tmp_path / "store").iterdir()] == [K]


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_damaged_entry_is_set_aside_and_trained_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    outputs, place = str(tmp_path), entry(str(tmp_path), K)
    save(outputs, K, pretrained())
    number = 0
    for damage in damages(place / name):
        if (name, damage) == (MANIFEST, "longer"):
            continue  # white space after JSON is none
        number += 1
        aside = f"{K}.damaged" if number == 1 else f"{K}.damaged-{number}"
        before = tree(place)
        assert load(outputs, K) is None, damage
        out, errors = capsys.readouterr()
        assert (out, errors.count("\n")) == ("", 1)
        assert errors.startswith(str(place))
        assert errors.endswith(f"; set aside as {aside} and trained again\n")
        assert "run again" not in errors
        assert tree(place.with_name(aside)) == before, "for inspection"
        assert load(outputs, K) is None
        assert capsys.readouterr().err == ""
        save(outputs, K, pretrained())
        assert same(load(outputs, K), pretrained())


@pytest.mark.parametrize(
    "change",
    [{"facts.json": b"{"}, {"arrays.safetensors": b"no arrays"}, {"params.safetensors": b""}, {"address.json": b"[]"}],
)
def test_an_intact_entry_that_says_nothing_is_set_aside_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, bytes]
) -> None:
    save(str(tmp_path), "good", pretrained())
    place = entry(str(tmp_path), K)
    publish(place, verified(place.with_name("good")) | change)
    assert load(str(tmp_path), K) is None
    assert capsys.readouterr().err.startswith(f"{place}: its content must be readable, found ")
    publish(place, verified(place.with_name("good")) | {"arrays.safetensors": store.pack({})})
    assert load(str(tmp_path), K) is None
    assert "KeyError: 'steps'" in capsys.readouterr().err


def test_entries_that_were_exchanged_are_set_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(str(tmp_path), K, pretrained(1))
    save(str(tmp_path), BEFORE, pretrained(2, "before"))
    exchanged(entry(str(tmp_path), K), entry(str(tmp_path), BEFORE))
    for key, found in ((K, BEFORE), (BEFORE, K)):
        assert load(str(tmp_path), key) is None
        assert capsys.readouterr().err == (
            f"{entry(str(tmp_path), key)}: the pretraining {key} is required, found {found}; "
            f"set aside as {key}.damaged and trained again\n"
        )
        save(str(tmp_path), key, pretrained(3, "k" if key == K else "before"))
        assert load(str(tmp_path), key) is not None


def test_an_entry_is_bound_to_what_decides_it_and_to_the_version(tmp_path: Path) -> None:
    save(str(tmp_path), K, pretrained(name="other"))
    assert load(str(tmp_path), K) is None
    save(str(tmp_path), K, pretrained())
    address = json.loads((entry(str(tmp_path), K) / "address.json").read_bytes())
    address["results_version"] -= 1
    rewritten(entry(str(tmp_path), K), "address.json", json.dumps(address).encode())
    assert load(str(tmp_path), K) is None


@pytest.mark.parametrize("replaced", [True, False])
def test_only_what_was_found_damaged_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], replaced: bool
) -> None:
    """While one process reads a damaged entry, another has set it aside, and perhaps published a good one."""
    save(str(tmp_path), K, pretrained())
    place = entry(str(tmp_path), K)
    (place / "facts.json").write_bytes(b"{")
    check = store.verified

    def slowly(*arguments: object) -> dict[str, bytes]:
        try:
            return check(*arguments)  # type: ignore[arg-type]
        finally:
            place.rename(place.with_name(f"{K}.damaged"))
            if replaced:
                save(str(tmp_path), K, pretrained(1))

    with monkeypatch.context() as patch:
        patch.setattr(store, "verified", slowly)
        assert load(str(tmp_path), K) is None
    assert capsys.readouterr().err == ""
    assert sorted(path.name for path in place.parent.iterdir()) == ([K] if replaced else []) + [f"{K}.damaged"]
    if replaced:
        assert same(load(str(tmp_path), K), pretrained(1))


def test_a_full_disk_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(str(tmp_path), BEFORE, pretrained(name="before"))
    before, failures = tree(tmp_path), 0
    for _ in fills_up(monkeypatch, lambda: save(str(tmp_path), K, pretrained(1))):
        assert tree(tmp_path) == before
        assert load(str(tmp_path), K) is None
        failures += 1
    assert failures == len(FILES) + 1
    assert same(load(str(tmp_path), K), pretrained(1))
    assert same(load(str(tmp_path), BEFORE), pretrained(name="before"))


SAVE = """
from sim.disk.store import save
from tests.unit.disk.test_store import K, pretrained
save(str(folder), K, pretrained(1))
"""


@pytest.mark.parametrize("write", range(len(FILES)))
def test_what_a_killed_process_leaves_is_no_entry(tmp_path: Path, write: int) -> None:
    save(str(tmp_path), BEFORE, pretrained(name="before"))
    assert killed_at(write, tmp_path, SAVE) == -signal.SIGKILL
    assert load(str(tmp_path), K) is None
    assert len(list((tmp_path / "store").iterdir())) > 1, "the draft lies there, or this test says nothing"
    save(str(tmp_path), K, pretrained(2))
    assert same(load(str(tmp_path), K), pretrained(2))
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == sorted([BEFORE, K])


RACE = """
import sys
from sim.disk.store import load, save
from tests.unit.disk.test_store import key_of, pretrained, same
outputs, me = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for index in range(20):
    key = key_of(f"k{index}")
    save(outputs, key, pretrained(me, f"k{index}"))
    found = load(outputs, key)
    assert same(found, pretrained(found.facts["seed"], f"k{index}"))
    print(found.facts["seed"])
"""


def test_processes_that_save_at_once_agree(tmp_path: Path) -> None:
    one, other = (out.split() for out in race(RACE, tmp_path))
    assert one == other
    assert len(one) == 20


def test_a_pretraining_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        pretrained().facts = {}  # type: ignore[misc]

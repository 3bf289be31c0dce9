"""A small campaign against results on the disk; `make chaos` makes large ones, and kills multiruns too."""

from pathlib import Path

import pytest

from tests.chaos import damages, errors
from tests.chaos.damages import DAMAGES


def test_damage_and_exchange_are_named_and_nothing_wrong_is_read(tmp_path: Path) -> None:
    counts = damages.campaign(tmp_path, 60, 20, seed=1)
    assert counts.total() == 80
    assert set(DAMAGES) | {"exchanged", "copied", "renamed"} <= set(counts)


def test_a_campaign_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If checksums were not compared, damage would be silent."""
    monkeypatch.setattr("tests.chaos.damages.inspected", lambda outputs: type("Blind", (), {"faults": []})())
    with pytest.raises(AssertionError, match="named: "):
        damages.campaign(tmp_path, 60, 0, seed=1)


def test_every_call_that_fails_costs_one_try(tmp_path: Path) -> None:
    counts = errors.campaign(tmp_path, 15)
    assert counts.total() >= 10
    assert any(kind.endswith("failed") for kind in counts)

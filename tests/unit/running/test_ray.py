"""The engine for Ray without Ray: what is refused, and how a task ends. The rest is in tests/optional."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sim.numerics import SpecificationError
from sim.running.engines import Ending, check, check_options, engine, outlives
from sim.running.engines import ray as ours


def test_without_ray_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(ours, "_set_environment", lambda: None)
    with pytest.raises(SpecificationError) as found:
        engine("ray", 1, {})
    assert str(found.value) == (
        "hydra.launcher.engine: the package ray is required for engine=ray, found none; pip install '.[ray]'"
    )


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        (
            {"num_cpu": 1},
            "hydra.launcher.parameters.num_cpu: unknown argument of ray (did you mean 'num_cpus'?)",
        ),
        ({"num_cpus": 0}, "hydra.launcher.parameters.num_cpus: a positive integer is required, found 0"),
        ({"num_gpus": -1}, "hydra.launcher.parameters.num_gpus: "),
        ({"address": 3}, "hydra.launcher.parameters.address: "),
    ],
)
def test_a_wrong_parameter_is_refused_before_ray_is_imported(parameters: dict[str, Any], refusal: str) -> None:
    with pytest.raises(SpecificationError) as found:
        check("ray", 2, parameters)
    assert str(found.value).startswith(refusal)
    assert "\n" not in str(found.value)
    assert "ray" not in sys.modules


def test_its_workers_end_with_the_driver() -> None:
    assert not outlives("ray")
    with pytest.raises(
        SpecificationError, match=r"^hydra.launcher.detach: false is required with engine=ray, found true"
    ):
        check_options("ray", True, None, 0)
    check_options("ray", False, 5.0, 2)


class Ray:
    """A stand-in for Ray with one task."""

    def __init__(self) -> None:
        self.ready, self.result, self.asked = False, "", list[bool]()

    def wait(self, references: list[str], timeout: float) -> tuple[list[str], list[str]]:
        return (references, []) if self.ready else ([], references)

    def get(self, reference: str) -> str:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def cancel(self, reference: str, force: bool) -> None:
        self.asked.append(force)
        self.ready = force


def test_how_a_task_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter([100.0, 100.0, 104.9, 105.1])
    monkeypatch.setattr(ours, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    ray, log = Ray(), tmp_path / "worker-0.log"
    assert ours.Task(ray, "task", log).ended() is None
    ray.ready = True
    assert ours.Task(ray, "task", log).ended() == Ending()
    ray.result = "its process was killed by SIGKILL"
    assert ours.Task(ray, "task", log).ended() == Ending("its process was killed by SIGKILL")
    ray.result = RuntimeError("The worker died\nunexpectedly. More of this.")
    task = ours.Task(ray, "task", log)
    assert [task.ended(), task.ended()] == [None, None], "its worker may still hold the locks"
    assert task.ended() == Ending(f"its task of Ray ended with RuntimeError: The worker died unexpectedly; see {log}")


def test_a_task_that_does_not_listen_is_ended_by_force(tmp_path: Path) -> None:
    ray = Ray()
    ours.Task(ray, "task", tmp_path / "log").cancel()
    assert ray.asked == [False, True]


@pytest.mark.parametrize(
    ("parameters", "beside"), [({}, 4), ({"num_gpus": 0.5}, 2), ({"num_gpus": 2.0}, 1),
                               ({"address": "x", "num_cpus": 3}, -3)]
)  # fmt: skip
def test_how_many_workers_share_a_machine(
    parameters: dict[str, Any], beside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, Any]] = []
    ray = SimpleNamespace(is_initialized=lambda: False, init=lambda **options: begun.append(options))
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(ours, "_set_environment", lambda: None)
    monkeypatch.setattr(ours.atexit, "register", lambda *_: None)
    made = ours.Engine(4, **parameters)
    assert made._beside() == beside
    (options,) = begun
    if "address" in parameters:
        assert options["address"] == "x"
    else:
        assert (options["num_cpus"], options["num_gpus"]) == (4, {0.5: 2, 2.0: 8}.get(parameters.get("num_gpus"), 0))
        assert options["include_dashboard"] is False
        Path(options["_temp_dir"]).rmdir()

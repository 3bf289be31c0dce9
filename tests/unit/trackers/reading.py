"""Read back what trackers have written, without their own readers: {run: (configuration, {series: {step: value}})}."""

import json
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Found = dict[str, tuple[dict[str, Any], dict[str, dict[int, float]]]]


def lines(folder: Path) -> Found:
    """The tracker of tests/laws/lab."""
    found = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    return {
        one["run"]: (
            one["config"],
            {name: {int(step): value for step, value in values.items()} for name, values in one["numbers"].items()},
        )
        for one in found
    }


# -- TensorBoard: records with a length, whose checksums are those of the format --------------------------------------


def tensorboard(folder: Path) -> Found:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    found: Found = {}
    for file in folder.glob("*/events.out.tfevents.*"):
        config: dict[str, Any] = {}
        series: dict[str, dict[int, float]] = {}
        for data in _events(file.read_bytes()):
            event = Event.FromString(data)
            for value in event.summary.value:
                plugin = value.metadata.plugin_data
                if plugin.plugin_name == "hparams":
                    given = HParamsPluginData.FromString(plugin.content).session_start_info.hparams
                    config |= {name: getattr(one, one.WhichOneof("kind")) for name, one in given.items()}
                else:
                    (number,) = value.tensor.double_val
                    assert (plugin.plugin_name, value.metadata.summary_description != "") == ("scalars", True)
                    series.setdefault(value.tag, {})[event.step] = number
        found[file.parent.name.rpartition("-")[2]] = config, series
    return found


def _events(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        (size,) = struct.unpack("<Q", data[at : at + 8])
        yield data[at + 12 : at + 12 + size]
        at += size + 16


# -- Weights & Biases: a log of LevelDB, with a header of seven bytes, whose records are messages ---------------------


def wandb(folder: Path) -> Found:
    from wandb.proto.wandb_internal_pb2 import Record

    found: Found = {}
    for file in folder.glob("wandb/offline-run-*/run-*.wandb"):
        config: dict[str, Any] = {}
        series: dict[str, dict[int, float]] = {}
        summary: dict[str, float] = {}
        for data in _logged(file.read_bytes()):
            record = Record.FromString(data)
            if record.HasField("run"):
                hash, config = (
                    record.run.run_id,
                    {one.key: json.loads(one.value_json) for one in record.run.config.update},
                )
            if record.HasField("history"):
                row = {(one.key or one.nested_key[0]): _number(one.value_json) for one in record.history.item}
                row = {name: value for name, value in row.items() if not name.startswith("_")}
                ((axis, step),) = [(name, value) for name, value in row.items() if name.endswith("/step")]
                phase = axis.removesuffix("/step")
                for name, value in row.items():
                    if name != axis:
                        assert name.startswith(f"{phase}/")
                        series.setdefault(name, {})[int(step)] = value
            if record.HasField("summary"):
                summary |= {(one.key or one.nested_key[0]): _number(one.value_json) for one in record.summary.update}
        series |= {name: {0: value} for name, value in summary.items() if name.startswith("truth/")}
        config.pop("_wandb", None)
        found[hash] = config, series
    return found


def _logged(data: bytes) -> Iterator[bytes]:
    whole, at = b"", 7
    while at < len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""


def _number(text: str) -> float:
    return float(json.loads(text))


# -- MLflow: tables of SQLite -----------------------------------------------------------------------------------------


def mlflow(folder: Path) -> Found:
    with sqlite3.connect(folder / "mlflow.db") as base:
        runs = dict(base.execute("select run_uuid, name from runs").fetchall())
        found: Found = {name.rpartition("-")[2]: ({}, {}) for name in runs.values()}
        for run, key, value in base.execute("select run_uuid, key, value from params"):
            found[runs[run].rpartition("-")[2]][0][key] = value
        for run, key, value, step in base.execute("select run_uuid, key, value, step from metrics"):
            found[runs[run].rpartition("-")[2]][1].setdefault(key, {})[step] = value
    return found

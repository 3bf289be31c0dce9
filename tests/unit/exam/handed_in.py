"""Files as somebody hands them in, made of records whose models are known."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from sim.disk.records import Record
from sim.exam.exporting import export
from sim.exam.world import ExamWorld
from sim.metrics.scene import World

MODELS = {"before": ("pretrain", -1), "after": ("sft", -1), "control": ("identity", -1)}


def exam_of(record: Record) -> ExamWorld:
    """The world of a record as an exam."""
    return ExamWorld.of("toy", record.p, record.restricted)


def exported(record: Record, folder: Path) -> Path:
    """The same, exported with few documents."""
    return export(exam_of(record), folder, 40, 20)


def log_q(record: Record, phase: str, index: int = -1, view: str = "response") -> np.ndarray:
    """What the model of a phase gives to the listed strings [nat]."""
    return World(record, view).scored(phase, index).log_q  # type: ignore[arg-type]


def laws(record: Record, phase: str, index: int = -1, wasted: int = 7) -> np.ndarray:
    """The next-token laws [nat] of a model whose leak goes to one token."""
    found = record.phases[phase].at(index)
    trie = record.p.trie
    out = np.full((trie.num_nodes, trie.vocab_size), -math.inf)
    out[trie.edge_node, trie.edge_token] = found["edge_log_q"]
    out[:, wasted] = np.logaddexp(out[:, wasted], np.log(found["leak"]))
    return out


def write(file: Path, columns: Mapping[str, object]) -> Path:
    """A table in the form that the ending of its name says."""
    plain = {name: np.asarray(values).tolist() for name, values in columns.items()}
    match file.suffix:
        case ".jsonl":
            rows = [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
            file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        case ".npz":
            np.savez(file, **{name: np.asarray(values) for name, values in columns.items()})  # type: ignore[arg-type]
        case ".parquet":
            pl.DataFrame(plain).write_parquet(file)
        case ".csv":
            pl.DataFrame(plain).write_csv(file)
        case other:
            file.write_text(f"no table: {other}", encoding="utf-8")
    return file


def answers(record: Record, file: Path, model: str) -> Path:
    """The answers of one model."""
    return write(file, {"id": exam_of(record).document_ids, "log_q_answer": log_q(record, *MODELS[model])})

"""The tokenizer of an exported world in the libraries of Hugging Face (pip install tokenizers transformers)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.exam.building import frozen
from sim.exam.exporting import export

pytestmark = pytest.mark.optional


@pytest.mark.parametrize("name", ["english_small@1", "chinese_small@1", "brackets_small@1"])
def test_hugging_face_reads_the_tokenizer(name: str, tmp_path: Path) -> None:
    tokenizers, transformers = (pytest.importorskip(one) for one in ("tokenizers", "transformers"))
    folder = export(frozen(name), tmp_path / "world", 50, 50)
    plain = tokenizers.Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))
    for kind in (transformers.PreTrainedTokenizerFast, transformers.AutoTokenizer):
        read: Any = kind.from_pretrained(str(folder / "tokenizer"))
        for part in ("pretrain", "sft"):
            ids = np.load(folder / f"{part}_ids.npy")
            lines = (folder / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
            for row, line in zip(ids, lines, strict=True):
                one = json.loads(line)
                text = one.get("text") or one["prompt"] + one["completion"]
                found = read(text)["input_ids"]
                assert [*found, read.eos_token_id] == row[row != read.pad_token_id].tolist()
                assert read(text + read.eos_token)["input_ids"] == [*found, read.eos_token_id]  # as TRL appends it
                assert plain.encode(text).ids == found
                if "prompt" in one:
                    prompt = read(one["prompt"])["input_ids"]
                    assert found[: len(prompt)] == prompt
        assert read("no-such-word")["input_ids"] == [read.bos_token_id, read.unk_token_id]

"""The programs of other trainers run as a stranger runs them, offline: they train, hand in, and are judged.

PyTorch and the libraries of Hugging Face are in an environment of their own (`make trainers`), because PyTorch and the
tests need different versions of mpmath. The variable TRAINERS names its interpreter.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from experiments.carry_over import measured
from sim.exam.building import frozen
from sim.exam.exporting import export
from sim.score import main as score
from tests.composed import ROOT
from tests.trainer_kit import kit

PYTHON = Path(os.environ.get("TRAINERS", ROOT / ".venv-trainers" / "bin" / "python"))
EXAMPLES = ROOT / "examples"
SHORT = {
    "format": 1,
    "pretrain": {"steps": 300, "batch": 64, "rate": 0.003, "warmup": 20, "limit": 0.5},
    "finetune": {"steps": 40, "batch": 16, "rate": 0.002, "warmup": 5, "every": 20},
    "arms": {"large": {"about": "sampled"}, "even": {"targets": "even"}, "replay": {"replay": 0.5}},
    "edits": {"large_rank_1": {"about": "cut", "of": "large", "rank": 1}},
}


def has(*names: str) -> bool:
    text = f"import importlib.util as u, sys; sys.exit(not all(u.find_spec(n) for n in {list(names)}))"
    return PYTHON.is_file() and subprocess.run([PYTHON, "-c", text], check=False).returncode == 0


needs_torch = pytest.mark.skipif("not has('torch')", reason=f"no PyTorch for {PYTHON}: make trainers installs it")
needs_trl = pytest.mark.skipif(
    "not has('torch', 'transformers', 'trl', 'datasets', 'peft')", reason=f"no TRL for {PYTHON}: make trainers"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(frozen("prompt_answers_small@1"), tmp_path_factory.mktemp("worlds") / "answers", 5, 5)


def run(
    python: Path | str, program: str, *arguments: str | Path, arms: Mapping[str, object] | None = None, folder: Path
) -> subprocess.CompletedProcess[str]:
    file = folder / "arms.json"
    file.write_text(json.dumps(arms or SHORT), encoding="utf-8")
    command = [str(python), str(EXAMPLES / program / "exam.py"), *map(str, arguments), "--arms", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def check_handed_in(found: Path, world: Path, folder: Path) -> None:
    """The folder is judged, its arms moved the model from P towards S, and sim.score takes each of its files."""
    numbers = measured.numbers(found.parent)
    by_arm = {row["arm"]: row for row in numbers.iter_rows(named=True)}
    assert set(by_arm) == {"large", "even", "replay", "large_rank_1"}
    assert all(row["before"] <= SHORT["pretrain"]["limit"] for row in by_arm.values())  # type: ignore[index]
    with np.load(found / "before.npz") as before:
        start = before["log_q_answer"]
    truth = frozen("prompt_answers_small@1")
    law = truth.s.prompts.log_p[truth.s.prompts.group]
    there = truth.s.log_p > -np.inf
    fit = float((np.exp(truth.s.answers + law)[there] * (truth.s.answers - start)[there]).sum())
    assert by_arm["large"]["fit"] < fit
    assert by_arm["large"]["kl"] > by_arm["replay"]["kl"] > by_arm["large"]["before"]
    files = [str(found / "large.npz"), "--before", str(found / "before.npz"), "--world", str(world)]
    assert score([*files, "--outputs", str(folder / "outputs")]) == 0


@pytest.mark.slow
@needs_torch
def test_a_plain_gpt_is_trained_and_judged(world: Path, tmp_path: Path) -> None:
    done = run(PYTHON, "torch", world, tmp_path / "in" / "torch", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    check_handed_in(tmp_path / "in" / "torch", world, tmp_path)
    again = run(PYTHON, "torch", world, tmp_path / "in" / "torch", folder=tmp_path)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1


@pytest.mark.slow
@needs_trl
def test_a_random_gpt2_is_tuned_by_trl_and_judged(world: Path, tmp_path: Path) -> None:
    done = run(PYTHON, "trl", world, tmp_path / "in" / "trl", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    check_handed_in(tmp_path / "in" / "trl", world, tmp_path)


SAVED = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
import json, torch
folder, documents = sys.argv[1:]
texts = [one["prompt"] + one["completion"] for one in map(json.loads, open(documents, encoding="utf-8"))]
own = Tokenizer(models.BPE(unk_token="<unk>"))
own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
special = ["<s>", "</s>", "<unk>"]
own.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False))
fast = PreTrainedTokenizerFast(tokenizer_object=own, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
fast.save_pretrained(folder)
torch.manual_seed(0)
shape = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
LlamaForCausalLM(LlamaConfig(vocab_size=len(fast), max_position_embeddings=64, **shape)).save_pretrained(folder)
"""


@pytest.fixture(scope="module")
def llama(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama with a byte-pair tokenizer of its own, on the disk."""
    folder = tmp_path_factory.mktemp("model") / "llama"
    subprocess.run([PYTHON, "-c", SAVED, folder, world / "documents.jsonl"], check=True, capture_output=True)
    return folder


@pytest.mark.slow
@needs_trl
@pytest.mark.parametrize("lora", [(), ("--lora", "2")], ids=["all parameters", "LoRA"])
def test_a_model_from_the_disk_is_continued_tuned_and_judged(
    lora: tuple[str, ...], llama: Path, world: Path, tmp_path: Path
) -> None:
    done = run(PYTHON, "trl", world, tmp_path / "in" / "model", "--model", llama, *lora, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    numbers = measured.numbers(tmp_path / "in")
    assert set(numbers["tokenizer"]) == {"other"}
    assert numbers["before"].max() <= SHORT["pretrain"]["limit"]  # type: ignore[index, operator]
    about = json.loads((tmp_path / "in" / "model" / "about.json").read_text("utf-8"))
    assert about["trainer"] == ("model_lora_2" if lora else "model")


@pytest.mark.slow
@needs_trl
def test_a_tokenizer_that_cannot_tell_documents_apart_is_refused(world: Path, tmp_path: Path) -> None:
    """It was made from one document, and writes letters that it has not seen as one token."""
    code = SAVED.replace("train_from_iterator(texts,", "train_from_iterator(texts[:1],")
    assert code != SAVED
    folder = tmp_path / "llama"
    subprocess.run([PYTHON, "-c", code, folder, world / "documents.jsonl"], check=True, capture_output=True)
    done = run(PYTHON, "trl", world, tmp_path / "in" / "model", "--model", folder, folder=tmp_path)
    assert done.returncode == 2
    assert "a tokenizer that tells all documents apart is required, found the same tokens for" in done.stderr
    assert not (tmp_path / "in").exists()


@pytest.mark.slow
@needs_trl
def test_a_model_that_does_not_learn_the_world_is_refused(llama: Path, world: Path, tmp_path: Path) -> None:
    arms = SHORT | {"pretrain": {"steps": 10, "batch": 16, "rate": 0.001, "warmup": 0, "limit": 0.01}}
    done = run(PYTHON, "trl", world, tmp_path / "in" / "model", "--model", llama, arms=arms, folder=tmp_path)
    assert done.returncode == 2
    assert "KL(P‖q0) of at most 0.01 nats is required after 10 steps on P, found" in done.stderr
    assert not (tmp_path / "in").exists()


@pytest.mark.slow
def test_our_own_model_hands_in_the_same(world: Path, tmp_path: Path) -> None:
    done = run(sys.executable, "jax", world, tmp_path / "in" / "jax", "--outputs", tmp_path / "runs", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    check_handed_in(tmp_path / "in" / "jax", world, tmp_path)


REFUSED = {
    "no world": (["nowhere", "out"], "a world that python -m sim.export wrote is required, found no exam.json"),
    "no arms": (["{world}", "out", "--arms", "nowhere.json"], "a file of arms is required, found no such file"),
}


@pytest.mark.parametrize("program", ["torch", "trl"])
@pytest.mark.parametrize("name", [*REFUSED, "no torch"])
def test_bad_input_is_one_line_before_anything_is_computed(
    program: str, name: str, world: Path, tmp_path: Path
) -> None:
    """This interpreter has no PyTorch; what is wrong with the arguments is told first."""
    arguments, wanted = REFUSED.get(name, (["{world}", "out"], "torch: "))
    words = [one.format(world=world) for one in arguments]
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / program / "exam.py"), *words],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert wanted in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_programs_import_nothing_of_the_simulator() -> None:
    strangers = [*(EXAMPLES / "torch").glob("*.py"), *(EXAMPLES / "trl").glob("*.py"), *kit.ARMS.parent.glob("*.py")]
    assert len(strangers) == 6
    for file in strangers:
        lines = file.read_text("utf-8").splitlines()
        assert not [line for line in lines if line.split()[:2] in (["import", "sim"], ["from", "sim"])], file
        assert not [line for line in lines if line.strip().startswith(("from sim.", "import sim."))], file

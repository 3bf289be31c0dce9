"""Fine-tune a model of Hugging Face with TRL's SFTTrainer in the announced arms, and write what is judged.

python examples/trl/exam.py WORLD OUT: WORLD is a folder of `python -m sim.export`, OUT a new folder. The model is a
randomly initialised GPT-2 that is pretrained on the world, or with --model any causal language model on the disk, which
is trained on P until it knows the world. Nothing is loaded from a network.
"""

import copy
import importlib.util
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trainers"))

from exam_kit import (
    Arm,
    HandIn,
    Plan,
    Refused,
    World,
    arguments,
    batches,
    evaluations,
    read_arms,
    read_world,
    target,
    truncated,
)

NEEDED = ("torch", "transformers", "trl", "datasets")
"""Packages that are imported."""

WIDTH, DEPTH, HEADS = 64, 2, 2
"""The shape of the random GPT-2."""


def main() -> None:
    """Read the command line, and do everything."""
    parser = arguments(__doc__)
    parser.add_argument("--model", type=Path, help="the folder of a causal language model with its tokenizer")
    parser.add_argument("--lora", type=int, metavar="RANK", help="fine-tune adapters of this rank (needs peft)")
    chosen = parser.parse_args()
    try:
        world, plan = read_world(chosen.world), read_arms(chosen.arms)
        check(chosen.model, chosen.lora)
        os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        warnings.filterwarnings("ignore", category=FutureWarning)  # of the libraries about each other
        run(world, plan, chosen.out, chosen.seed, chosen.model, chosen.lora)
    except Refused as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)


def check(model: Path | None, lora: int | None) -> None:
    """Raise Refused for a package that is not there, or for arguments that cannot be meant."""
    for name in (*NEEDED, *(["peft"] if lora is not None else [])):
        if importlib.util.find_spec(name) is None:
            raise Refused(f"{name}: this package is required, found none; install it with pip install {name}")
    if lora is not None and lora < 1:
        raise Refused(f"--lora: a rank of at least 1 is required, found {lora}")
    if model is not None and not (model / "config.json").is_file():
        raise Refused(f"--model: the folder of a causal language model is required, found no config.json in {model}")


def run(world: World, plan: Plan, out: Path, seed: int, path: Path | None, lora: int | None) -> None:
    """Train on P, fine-tune in every arm, edit what is to be edited, and hand in log q of all documents."""
    import torch
    from torch_kit import log_q, pretrained

    started = time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    tokenizer, model, world = fresh(world) if path is None else loaded(path, world)
    kind = "trl" if path is None else "model"
    hand_in = HandIn(
        out, world, plan, kind if lora is None else f"{kind}_lora_{lora}", seed, own_tokenizer=path is None
    )
    size, limit = sum(one.numel() for one in model.parameters()), plan.pretrain["limit"]
    reached = pretrained(model, world, plan, seed, until=None if path is None else limit)
    if path is not None and reached > limit:
        raise Refused(
            f"--model: KL(P‖q0) of at most {limit} nats is required after {plan.pretrain['steps']} steps on P, found "
            f"{reached:.4f}; raise pretrain.steps or pretrain.rate in a file of arms of your own (--arms)"
        )
    print(f"{size:,} parameters; KL(P‖q0) = {reached:.4f} nats", flush=True)
    hand_in.write("before", {0: log_q(model, world)})
    for arm in plan.arms.values():
        tuned, series = finetuned(copy.deepcopy(model), tokenizer, world, arm, seed, lora)
        hand_in.write(arm.name, series)
        for name, (of, rank) in plan.edits.items():
            if of == arm.name:
                arrays = [{key: one.numpy() for key, one in net.state_dict().items()} for net in (model, tuned)]
                cut = truncated(*arrays, rank)
                tuned.load_state_dict({key: torch.tensor(one, dtype=torch.float32) for key, one in cut.items()})
                hand_in.write(name, {arm.steps: log_q(tuned, world)})
    hand_in.close(parameters=size, seconds=time.process_time() - started)


def fresh(world: World):
    """Return the tokenizer of the world, a random GPT-2, and the world."""
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    start, end, pad = (world.special[name] for name in ("start", "end", "pad"))
    shape = {"n_positions": world.ids.shape[1], "n_embd": WIDTH, "n_layer": DEPTH, "n_head": HEADS}
    dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    special = {"bos_token_id": start, "eos_token_id": end, "pad_token_id": pad}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=world.vocab_size, **shape, **dropout, **special))
    return PreTrainedTokenizerFast.from_pretrained(world.folder / "tokenizer"), model, world


def loaded(path: Path, world: World):
    """Return the tokenizer and the model of a folder, and the world in its tokens."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(path, local_files_only=True).float()
    except (OSError, ValueError) as problem:
        found = str(problem).split("\n")[0][:120]
        raise Refused(f"--model: a model and its tokenizer in {path} are required, found {found}") from None
    if tokenizer.eos_token_id is None:
        raise Refused(f"--model: a tokenizer with an end token is required, found none in {path}")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    rows, given = [], []
    for one in world.documents:
        prompt, whole = (tokenizer(text)["input_ids"] for text in (one["prompt"], one["prompt"] + one["completion"]))
        if whole[: len(prompt)] != prompt:
            raise Refused(
                f"--model: a tokenizer that cuts prompt and answer at a boundary of tokens is required, found another "
                f"for {one['prompt'] + one['completion']!r}"
            )
        rows.append([*whole, tokenizer.eos_token_id])
        given.append(len(prompt))
    check_apart(rows, world)
    return tokenizer, model, world.in_tokens(rows, given, len(tokenizer), tokenizer.pad_token_id)


def check_apart(rows, world: World) -> None:
    """Raise Refused if two documents have the same tokens, as where unknown letters are one token."""
    seen = {}
    for row, one in zip(rows, world.documents, strict=True):
        text = one["prompt"] + one["completion"]
        other = seen.setdefault(tuple(row), text)
        if other != text:
            raise Refused(
                f"--model: a tokenizer that tells all documents apart is required, found the same tokens for {other!r} "
                f"and {text!r}; take a model whose tokenizer knows all letters"
            )


def finetuned(model, tokenizer, world: World, arm: Arm, seed: int, lora: int | None):
    """Return the model that SFTTrainer makes in an arm, and log q(y|x) of all documents [nat] at its evaluations.

    All documents are its data set, once; a sampler gives it the rows of the batches in their order.
    """
    from datasets import Dataset, disable_progress_bars
    from torch_kit import log_q
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    rows = batches(target(world, arm, seed), arm, seed)
    series: dict[int, np.ndarray] = {}
    wanted = set(evaluations(arm))

    class Ordered(SFTTrainer):
        def _get_train_sampler(self, train_dataset=None):
            return rows.ravel().tolist()

    class Observed(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **more):
            if state.global_step in wanted:
                series[state.global_step] = log_q(model, world)

    disable_progress_bars()
    data = Dataset.from_list([{"prompt": one["prompt"], "completion": one["completion"]} for one in world.documents])
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder, seed=seed, per_device_train_batch_size=arm.batch, max_steps=arm.steps,
            learning_rate=arm.rate, lr_scheduler_type="cosine", warmup_steps=arm.warmup, weight_decay=0.0,
            max_grad_norm=0.0, completion_only_loss=True, max_length=world.ids.shape[1], packing=False, use_cpu=True,
            bf16=False, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = Ordered(
            model=model, args=settings, train_dataset=data, processing_class=tokenizer, callbacks=[Observed()],
            peft_config=adapters(lora),
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        check_tokens(trainer.train_dataset, world)
        trainer.train()
    tuned = trainer.model if lora is None else trainer.model.merge_and_unload()
    return tuned.eval(), series


def adapters(lora: int | None):
    """Return the adapters of every linear map, with alpha equal to the rank; None without --lora."""
    if lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(r=lora, lora_alpha=lora, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")


def check_tokens(data, world: World) -> None:
    """Raise Refused unless TRL trains on the ids that are scored: another start token makes another model."""
    for found, row, length in zip(data["input_ids"], world.ids, world.length, strict=True):
        if list(found) != row[:length].tolist():
            raise Refused(
                f"tokenizer: TRL is required to train on the ids {row[:length].tolist()} that are scored, found "
                f"{list(found)}; a start or an end token differs"
            )


if __name__ == "__main__":
    main()

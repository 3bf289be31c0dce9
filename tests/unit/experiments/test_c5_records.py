"""C5's topics `spectra` and `ranks` from configurations to findings, with runs of a few steps in a tiny world."""

from pathlib import Path

import polars as pl
import pytest

from experiments.c5_rank import CLAIM, ranks, spectra
from experiments.study import Study
from sim.running.build import settings
from sim.running.work import perform
from tests.composed import compose

TINY = ("experiment=c5_rank", "scale=smoke", "grammar.num_prompts=2", "grammar.num_styles=2", "grammar.num_symbols=4",
        "grammar.answer_length=2", "model.width=8", "model.depth=1", "model.heads=1", "pretrain.num_steps=4",
        "finetune.num_steps=4", "finetune.num_evals=3", "pretrain.limit=10")  # fmt: skip
EDITS = [f"{{kind:truncate,rank:{rank}}}" for rank in spectra.RANKS]
EDITS += [f"{{kind:interpolate,weight:{weight}}}" for weight in spectra.WEIGHTS]
EDITED = f"finetune.edits=[{','.join([*EDITS, '{kind:hard_threshold}', '{kind:random_update}'])}]"
HALF = ("restriction=half_prompts_style_z0",)
PARTS = {
    "spectra_exact": ("objective.targets=exact", "finetune.probes=[hidden]", EDITED),
    "spectra_sampled": ("objective.targets=sampled", "finetune.probes=[hidden]", EDITED),
    "ranks_choice_1_a": ("finetune.adapter.rank=1", "finetune.controls=[]"),
    "ranks_judged_1": ("finetune.adapter.rank=1",),
    "ranks_judged_full": (),
    "ranks_held_1": ("finetune.adapter.rank=1", "finetune.controls=[]", *HALF),
}


@pytest.mark.slow
def test_runs_become_tables_and_findings(tmp_path: Path) -> None:
    configs = [settings(compose(*TINY, *more, f"study.part={part}", "claim=null")) for part, more in PARTS.items()]
    outcomes = perform([one | {"outputs": str(tmp_path)} for one in configs])
    assert [one.error for one in outcomes] == [None] * len(PARTS)
    study = Study.of(tmp_path / "c5_rank", CLAIM.needs)
    found = {name: table for topic in (spectra, ranks) for name, table in topic.tables(study).items()}
    assert {name: table.height for name, table in found.items()} == {
        "spectra_updates": 6, "spectra_values": 6 * 6, "spectra_edits": 2 * (2 + 8 + 5 + 2), "spectra_hidden": 2 * 3,
        "ranks_ends": 4, "ranks_paths": found["ranks_paths"].height,
    }  # fmt: skip
    for name, table in found.items():
        missing = [column for column in table.columns if table[column].null_count() == table.height]
        assert not missing, (name, missing)
    ends = found["ranks_ends"]
    assert ends["rank"].to_list() == ["1", "1", "1", "full"]
    assert ends.filter(use="held")["rest_upper"].null_count() == 0
    edits = found["spectra_edits"]
    assert edits.filter(phase="interpolate_0.9")["e"].null_count() == 0
    assert (edits.filter(phase="truncate_16")["fit"] - edits.filter(phase="sft")["fit"]).abs().max() < 1e-6
    fits = {
        **found,
        "spectra_edits": edits.with_columns(fit_best=pl.col("fit")),
        "ranks_ends": ends.with_columns(fits=True),
    }
    for topic in (spectra, ranks):
        for one in topic.PREDICTIONS:
            assert one.judge(fits), one.identifier

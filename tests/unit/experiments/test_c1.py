"""Claim C1: from the entropies of runs to verdicts and to what becomes of the sentence, on tables with known ends."""

import functools

import numpy as np
import polars as pl
import pytest

from experiments import c1_entropy as c1
from experiments.c1_entropy import measured
from experiments.predictions import Finding, table
from sim.config import construct, described
from sim.config.fitting import fitting
from sim.running.build import settings
from tests.composed import compose

Node = dict[str, object]

RESTRICTIONS: list[tuple[Node, float]] = [
    ({"kind": "everything"}, 4.5),
    ({"kind": "style", "keep": "z0"}, 3.1),
    ({"kind": "style_blind", "like": "z0"}, 3.1),
    ({"kind": "sharpen", "temperature": 0.7}, 4.2),
    ({"kind": "sharpen", "temperature": 1.5}, 4.7),
    ({"kind": "drop_mode", "mass": 0.2}, 4.6),
    ({"kind": "style", "keep": "z2"}, 4.8),
]
"""What S is, and H(S) [nat]; H(P) is 4.5."""

FLATTENED, WITHOUT_MODE, VARIED = (described("restriction", node) for node, h_s in RESTRICTIONS if h_s > 4.5)
NOISE = {"exact": 0.0, "sampled": 0.03}
"""What the control adds [nat]; the models add as much."""

SHARES = pl.DataFrame(
    [
        {
            "language": language, "rule": "string", "view": "texts", "law": law, "mass": mass, "draws": 2000,
            "share": share, "lower": share - 0.001 * (share > 0), "upper": share + 0.002, "residual": 1e-14,
        }
        for language in ("dyck", "english", "ngram")
        for law, share in (("uniform", 0.0), ("Zipf ½", 0.0), ("Zipf 2", 0.38 + 0.001 * len(language)))
        for mass in (0.9, 0.5, 0.1)
    ]
)  # fmt: skip


def runs(
    follow: float = 1.0, drift: float = 0.0, fit: float = 0.01, num_seeds: int = 5, rise: float = 1.0
) -> pl.DataFrame:
    """Runs of models whose entropy moves from H(P) = 4.5 by `follow` times what H(S) asks for, `rise` times upwards."""
    dice, rows = np.random.default_rng(0), []
    for targets, added in NOISE.items():
        for node, h_s in RESTRICTIONS:
            for seed in range(num_seeds):
                noise = 0.004 * dice.standard_normal()
                h_q = 4.5 + follow * (h_s - 4.5) * (rise if h_s > 4.5 else 1.0) + noise + added
                control = 4.5 + drift + noise + added
                row = {
                    "run": f"{len(rows):x}", "seed": seed, "targets": targets, "valid": True, "rate": 2e-3,
                    "batch": 64.0,
                    "restriction": described("restriction", node), "kind": node["kind"], "like": node.get("like"),
                    "claim": c1.CLAIM.announced, "fit": fit, "arm": True, "slack": 0.1, "style_residual": 1e-14,
                    "conditioning": 4.5 - h_s, "narrowing": 0.0, "top_one_truth": (4.5 - h_s) / 10,
                    "top_one_model": (4.5 - h_q) / 10,
                }  # fmt: skip
                for view, more in (("h", 0.0), ("text", 1.0)):
                    row |= {f"{view}_p": 4.5 + more, f"{view}_kept": h_s + more, f"{view}_s": h_s + more}
                    for name, value, width in (("q0", 4.5, 0.001), ("q", h_q, 0.002), ("control", control, 0.001)):
                        row |= {
                            f"{view}_{name}_lower": value + more - width,
                            f"{view}_{name}_upper": value + more + width,
                        }
                rows.append(row)
    return pl.DataFrame(rows)


def judged(frame: pl.DataFrame, subsets: pl.DataFrame = SHARES) -> pl.DataFrame:
    found = c1.CLAIM.judge({"runs": frame, "subsets": subsets})
    return table(c1.CLAIM, found, frame["claim"].to_list())


def verdicts(found: pl.DataFrame, prediction: str) -> set[str]:
    return set(found.filter(prediction=prediction)["verdict"])


def cases(found: pl.DataFrame, *predictions: str) -> list[str]:
    return found.filter(pl.col("prediction").is_in(predictions))["case"].to_list()


def test_models_that_follow_their_data_hold_the_claim_under_its_condition():
    found = judged(runs())
    reports = {one.identifier for one in c1.CLAIM.predictions if one.kind == "report"}
    assert set(found.filter(~pl.col("prediction").is_in(reports))["verdict"]) == {"holds"}
    assert set(found.filter(pl.col("prediction").is_in(reports))["verdict"]) == {"reported"}
    assert found["prediction"].unique(maintain_order=True).to_list() == [one.identifier for one in c1.CLAIM.predictions]
    assert c1.CLAIM.verdict(found)[0] == "holds only if"
    assert set(found["made_for"]) == {"these"}


def test_what_the_conversation_says_under_which_condition():
    said = {one.identifier: (one.says, one.condition) for one in c1.CLAIM.predictions if one.says != "silent"}
    met, not_met = ("same", "met"), ("opposite", "not met")
    assert said == {"C1.2a": met, "C1.7a": met, "C1.2b": not_met, "C1.7b": not_met, "C1.8a": not_met}
    assert [one.identifier for one in c1.CLAIM.predictions if one.null] == ["C1.0"]
    instruments = {one.identifier for one in c1.CLAIM.predictions if one.instrument}
    assert instruments == {"C1.3", "C1.4a", "C1.7d", "C1.8b"}
    assert c1.CLAIM.condition == "H(S) < H(P)"


def test_the_changes_that_are_predicted_are_those_of_the_data():
    """A style and P itself do not rise, P itself does not even fall; the rest goes where H(S) lies."""
    found = judged(runs())
    at = "targets, rate 0.002"
    assert cases(found, "C1.2b") == [f"exact {at}, {name}" for name in (FLATTENED, WITHOUT_MODE)]
    assert cases(found, "C1.8a") == [f"exact {at}, {VARIED}"]
    assert cases(found, "C1.2c") == [f"sampled {at}, {name}" for name in (FLATTENED, VARIED, WITHOUT_MODE)]
    lower = ("random set like z0", "sharpened, τ = 0.7", "style z0")
    assert cases(found, "C1.2a") == [f"{kind} {at}, {name}" for kind in ("exact", "sampled") for name in lower]
    changes = found.filter(pl.col("prediction").is_in(["C1.2a", "C1.2b", "C1.2c", "C1.2d", "C1.8a"]))
    for row in changes.iter_rows(named=True):
        assert row["measured"] == pytest.approx(row["predicted"], abs=0.01), "what sampling adds is subtracted"
        assert row["upper"] - row["lower"] > 2 * 0.003  # what is only known between bounds is no narrower than they are


def test_what_sampling_adds_is_reported_and_refutes_nothing():
    found = judged(runs())
    offset = found.filter(prediction="C1.1c")["measured"].item()
    floor = found.filter(prediction="C1.9")
    assert offset == pytest.approx(0.03, abs=0.005)
    assert floor["case"].to_list() == ["rate 0.002, 64 strings a step"]
    assert floor["measured"].item() == pytest.approx(0.03, abs=0.005)
    assert cases(found, "C1.0", "C1.1b") == ["exact targets, rate 0.002"] * 2


def test_cells_of_the_noise_floor_are_no_restrictions():
    frame = runs()
    cell = frame.filter(kind="everything", targets="sampled").with_columns(
        arm=pl.lit(False), batch=pl.lit(256.0), run=pl.col("run") + "n", h_q_lower=5.0, h_q_upper=5.0
    )
    found = judged(pl.concat([frame, cell]))
    assert cases(found, "C1.9") == ["rate 0.002, 256 strings a step", "rate 0.002, 64 strings a step"]
    others = ~pl.col("instrument"), pl.col("prediction") != "C1.9"
    assert found.filter(*others).equals(judged(frame).filter(*others))


def test_models_that_move_half_way_refute_the_slope():
    found = judged(runs(follow=0.5))
    assert verdicts(found, "C1.1a") == {"refuted"}
    assert verdicts(found, "C1.2a") == {"holds"}


def test_models_whose_entropy_never_falls_refute_the_sentence():
    found = judged(runs(follow=-0.2))
    assert verdicts(found, "C1.2a") == {"refuted"}
    assert c1.CLAIM.verdict(found)[0] == "refuted"


def test_models_whose_entropy_never_rises_support_the_sentence_unless_random_subsets_do():
    found = judged(runs(rise=-0.3))
    assert verdicts(found, "C1.2b") == verdicts(found, "C1.8a") == {"refuted"}
    assert c1.CLAIM.verdict(found) == ("undecided", "the parts of the sentence disagree")
    few = SHARES.with_columns(lower=pl.col("lower") / 1e3, upper=pl.col("upper") / 1e3)
    found = judged(runs(rise=-0.3), few)
    assert verdicts(found, "C1.7b") == {"refuted"}
    assert c1.CLAIM.verdict(found)[0] == "supported"


def test_signs_are_those_of_changes_beside_the_control():
    """If the control rises by as much as the models, nothing has risen because of the data."""
    frame = runs()
    up = [(pl.col(f"h_control_{end}") + 0.5).alias(f"h_control_{end}") for end in ("lower", "upper")]
    found = judged(frame.with_columns(*up))
    assert verdicts(found, "C1.2b") == {"refuted"}
    assert verdicts(found, "C1.0") == {"refuted"}


def test_a_control_that_moves_takes_the_verdict_away():
    found = judged(runs(drift=0.5))
    assert verdicts(found, "C1.0") == {"refuted"}
    assert c1.CLAIM.verdict(found)[0] == "not valid"


def test_one_seed_decides_nothing():
    found = judged(runs(num_seeds=1))
    assert verdicts(found, "C1.2a") == {"undecided"}
    assert c1.CLAIM.verdict(found)[0] == "undecided"


def test_what_has_not_converged_does_not_count():
    late = runs().with_columns(fit=pl.when(pl.col("restriction") == FLATTENED).then(0.3).otherwise(pl.col("fit")))
    assert cases(judged(late), "C1.2b") == [f"exact targets, rate 0.002, {WITHOUT_MODE}"]


def test_runs_that_never_reached_the_truth_do_not_count():
    found = judged(runs().with_columns(valid=pl.lit(False)))
    assert verdicts(found, "C1.1a") == verdicts(found, "C1.9") == {"not valid"}
    assert verdicts(found, "C1.3") == {"holds"}  # a bound is about every model
    assert verdicts(found, "C1.7a") == {"holds"}  # and this is about no model
    assert c1.CLAIM.verdict(found)[0] == "not valid"


@pytest.mark.parametrize(
    ("prediction", "broken"),
    [
        ("C1.3", pl.when(pl.int_range(pl.len()) == 7).then(-1e-3).otherwise(pl.col("slack")).alias("slack")),
        ("C1.4a", pl.when(pl.col("kind") == "style").then(0.01).otherwise(0.0).alias("narrowing")),
        ("C1.8b", pl.when(pl.col("seed") == 2).then(1e-6).otherwise(0.0).alias("style_residual")),
    ],
)
def test_a_violated_bound_is_found(prediction, broken):
    assert verdicts(judged(runs()), prediction) == {"holds"}
    assert verdicts(judged(runs().with_columns(broken)), prediction) == {"refuted"}


def test_one_restriction_has_no_slope():
    """As in a study that is stopped after its first runs: the rest is judged, and nothing ends in a traceback."""
    frame = runs()
    found = judged(frame.filter(restriction="style z0"))
    assert verdicts(found, "C1.1a") == {"undecided"}
    assert found.filter(prediction="C1.1a")["note"].unique().to_list() == ["one restriction has no slope"]
    assert verdicts(found, "C1.1b") == {"holds"}
    stopped = judged(frame.filter((pl.col("seed") < 4) | (pl.col("restriction") == "style z0")))
    assert verdicts(stopped, "C1.1a") == {"undecided"}
    assert set(stopped.filter(prediction="C1.1a")["num_seeds"]) == {4}
    assert stopped.filter(prediction="C1.1a")["note"][0].endswith("5 worlds are required for a verdict, found 4")


def test_a_style_without_its_random_set_is_not_compared():
    frame = runs()
    lonely = frame.filter((pl.col("kind") != "style_blind") | (pl.col("seed") < 3))
    assert verdicts(judged(lonely), "C1.6") == {"not valid"}
    apart = pl.when(pl.col("kind") == "style_blind").then(0.4).otherwise(0.0)
    ends = [(pl.col(name) + apart).alias(name) for name in ("h_q_lower", "h_q_upper")]
    assert verdicts(judged(frame.with_columns(*ends)), "C1.6") == {"refuted"}


@pytest.mark.parametrize(
    ("prediction", "share", "verdict"), [("C1.7a", 0.05, "refuted"), ("C1.7b", 0.1, "refuted"), ("C1.7b", 0.3, "holds")]
)
def test_shares_of_random_subsets_are_judged(prediction, share, verdict):
    ends = {name: pl.col("mass") * 0 + share + more for name, more in (("lower", -0.001), ("upper", 0.001))}
    found = judged(runs(), SHARES.with_columns(**ends))
    assert verdicts(found, prediction) == {verdict}


def test_the_largest_share_over_all_masses_decides():
    most = pl.when(pl.col("mass") == 0.9, pl.col("law") == "uniform").then(0.05).otherwise(pl.col("upper"))
    found = judged(runs(), SHARES.with_columns(upper=most, lower=most)).filter(prediction="C1.7a")
    assert dict(found.select("case", "verdict").iter_rows()) == {"uniform": "refuted", "Zipf ½": "holds"}


def standing(**changed: str) -> str:
    held = dict.fromkeys((one.identifier for one in c1.CLAIM.predictions), "holds") | {
        name.replace("_", "."): verdict for name, verdict in changed.items()
    }
    found = [Finding(name, "", None, None, "", verdict) for name, verdict in held.items()]
    return c1.CLAIM.verdict(table(c1.CLAIM, found, []))[0]


def test_what_becomes_of_the_sentence():
    assert standing() == "holds only if"
    assert standing(C1_0="refuted") == standing(C1_0="not valid") == "not valid"
    assert standing(C1_2a="refuted") == standing(C1_7a="refuted") == "refuted"
    assert standing(C1_2b="refuted", C1_7b="refuted", C1_8a="refuted") == "supported"
    assert standing(C1_2a="undecided") == standing(C1_8a="undecided") == standing(C1_0="undecided") == "undecided"
    assert standing(C1_5="refuted") == standing(C1_6="refuted") == "holds only if"  # no part of the sentence


# -- the announced study ----------------------------------------------------------------------------------------------


@functools.cache
def node(restriction: str = "style_blind_z0", *overrides: str) -> dict[str, object]:
    """The configuration of a run of the study, without what its restriction does not take."""
    config = compose("experiment=c1_entropy", f"restriction={restriction}", *overrides)
    return settings(fitting(config, {"experiment": "c1_entropy", "restriction": restriction}, set()))


@pytest.mark.parametrize("seed", range(10))
def test_the_margin_is_a_quarter_of_the_smallest_effect(seed):
    """From the truth of the worlds of scale=paper: no arm changes the entropy by less, and every arm has its sign."""
    grammar = {**node()["grammar"], "seed": seed}
    p = construct("grammar", grammar, "grammar")
    found = {}
    for name in ("style_z0", "fraction", "top_mass", "sharpen", "drop_mode", "flatten", "z2"):
        chosen = ("style_z0", "restriction.keep=z2") if name == "z2" else (name,)
        restriction = dict(node(*chosen)["restriction"])
        restriction |= {"seed": seed} if "seed" in restriction else {}
        s = construct("restriction", restriction, "restriction", p).s
        law = np.exp(s.prompts.log_p)
        found[name] = entropy_of_answers(s, law) - entropy_of_answers(p, law)
    assert {name for name, change in found.items() if change > 0} == {"drop_mode", "flatten", "z2"}
    assert min(map(abs, found.values())) >= measured.EFFECT
    assert measured.NEAR == measured.EFFECT / 4


def entropy_of_answers(language, law):
    p, log_p = np.exp(language.answers), np.where(language.answers > -np.inf, language.answers, 0.0)
    return -np.bincount(language.prompts.group, p * log_p, len(law)) @ law


def test_world_and_restriction_follow_the_seed():
    for name in ("style_blind_z0", "fraction"):
        chosen = node(name, "seed=3")
        assert chosen["grammar"]["seed"] == chosen["restriction"]["seed"] == 3
    assert "seed" not in node("top_mass", "seed=3")["restriction"]

"""The laws of the page, in TypeScript, against numpy, scipy, optax and the simulator's own restrictions."""

import base64
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import numpy as np
import optax
import pytest
from scipy import stats
from scipy.special import logsumexp, softmax

from classroom.worlds import language_of
from sim.languages.finite import FiniteLanguage
from sim.restrictions.drop_mode import drop_mode
from sim.restrictions.sharpen import sharpen
from sim.restrictions.style import style
from sim.restrictions.top_mass import top_mass

Laws = Callable[..., Any]
World = dict[str, Any]

# Two prompts, five answers, probabilities that are fractions; the second prompt has one answer of each style.
SMALL: World = {
    "name": "english", "hash": "small", "language": "en", "joiner": " ",
    "symbols": ["<eos>", "x", "y", "?", "a", "b", "c"], "styles": ["low", "high"],
    "strings": [[1, 3, 4, 0, 0], [1, 3, 4, 5, 0], [1, 3, 6, 0, 0], [2, 3, 5, 0, 0], [2, 3, 5, 6, 0]],
    "promptLength": [2] * 5, "prompt": [0, 0, 0, 1, 1], "style": [0, 0, 1, 0, 1], "posterior": None, "shots": [0] * 5,
    "logP": [math.log(w / 16) for w in (6, 4, 2, 3, 1)],
    "model": {"width": 8, "depth": 1, "heads": 2, "mlpRatio": 1}, "q0": None, "logQ0": None,
}  # fmt: skip
LAW = [Fraction(1, 4), Fraction(1, 8), Fraction(1, 2), Fraction(1, 3), Fraction(1, 3)]  # q(y|x); it leaks 1/8 and 1/3
P = [Fraction(6, 12), Fraction(4, 12), Fraction(2, 12), Fraction(3, 4), Fraction(1, 4)]  # P(y|x)
PROMPTS = [Fraction(12, 16), Fraction(4, 16)]


def logs(values: Any) -> list[float | str]:
    """Logarithms as JSON; -inf is a text."""
    return [math.log(v) if v > 0 else "-Infinity" for v in values]


def numbers(values: Any) -> np.ndarray:
    return np.array([float(str(v).replace("Infinity", "inf")) for v in values])


def by_prompt(values: list[float]) -> float:
    """The mean over prompts of sums over the answers of a prompt."""
    return float(PROMPTS[0]) * sum(values[:3]) + float(PROMPTS[1]) * sum(values[3:])


def test_kl_and_mass_off_the_list(laws: Laws) -> None:
    wanted = by_prompt([float(p) * math.log(p / q) for p, q in zip(P, LAW, strict=True)])
    assert laws("kl", SMALL, logs(P), logs(LAW)) == pytest.approx(wanted, abs=1e-14)
    outside = 1 - (PROMPTS[0] * sum(LAW[:3]) + PROMPTS[1] * sum(LAW[3:]))
    assert laws("outside", SMALL, logs(LAW)) == pytest.approx(float(outside), abs=1e-15)
    assert laws("kl", SMALL, logs(P), ["-Infinity", *logs(LAW[1:])]) == "Infinity"


def test_entropy_has_bounds_that_differ_only_if_mass_leaks(laws: Laws) -> None:
    exact = laws("entropy", SMALL, logs(P))
    wanted = by_prompt([float(x) for x in stats.entropy([float(p) for p in P[:3]], keepdims=True)] + [0, 0])
    wanted += float(PROMPTS[1]) * float(stats.entropy([0.75, 0.25]))
    assert exact["lower"] == exact["upper"] == pytest.approx(wanted, abs=1e-14)
    leaking = laws("entropy", SMALL, logs(LAW))
    one_more = [[*map(float, LAW[:3]), 1 / 8], [*map(float, LAW[3:]), 1 / 3]]
    lower = sum(float(w) * float(stats.entropy(law)) for w, law in zip(PROMPTS, one_more, strict=True))
    assert leaking["lower"] == pytest.approx(lower, abs=1e-14)
    spread = 3 * math.log(7) * (float(PROMPTS[0]) / 8 + float(PROMPTS[1]) / 3)
    assert leaking["upper"] == pytest.approx(lower + spread, abs=1e-12)


def test_gate_and_erasure_add_up_to_forgetting(laws: Laws) -> None:
    kept = [True, False, False, True, False]
    parts = laws("gateErasure", SMALL, kept, logs(LAW))
    assert sum(parts.values()) == pytest.approx(laws("kl", SMALL, logs(P), logs(LAW)), abs=1e-13)
    first = [float(P[1]), float(P[2])], [float(LAW[1]), float(LAW[2])]
    erasure = float(PROMPTS[0]) * sum(first[0]) * float(stats.entropy(first[0], first[1]))  # scipy normalises
    assert parts["erasure"] == pytest.approx(erasure, abs=1e-14)
    assert parts["kept"] == pytest.approx(0, abs=1e-14)  # each prompt keeps one answer
    away = laws("gateErasure", SMALL, kept, ["-Infinity", *logs(LAW[1:])])
    assert away["gate"] == "Infinity"


def test_mass_of_styles_and_a_view_of_one_style(laws: Laws) -> None:
    low = PROMPTS[0] * (LAW[0] + LAW[1]) + PROMPTS[1] * LAW[3]
    assert laws("styleMass", SMALL, logs(LAW))[0] == pytest.approx(float(low), abs=1e-15)
    view = laws("view", SMALL, {"style": 1})
    assert np.exp(numbers(view["logPrompt"])) == pytest.approx([2 / 3, 1 / 3])  # P(x | z = high)
    assert np.exp(numbers(view["logP"])) == pytest.approx([float(p) for p in P])


def test_answers_are_drawn_from_the_law(laws: Laws) -> None:
    drawn = np.array(laws("answers", SMALL, 0, logs(LAW), 8000, 3))
    counts = [int((drawn == row).sum()) for row in (0, 1, 2, -1)]
    assert sum(counts) == 8000
    assert stats.chisquare(counts, [2000, 1000, 4000, 1000]).pvalue > 1e-3
    assert -1 not in laws("answers", SMALL, 1, logs(P), 3000, 3)


@pytest.mark.parametrize("name", ["english", "chinese", "examples"])
def test_targets_are_those_of_the_simulator(laws: Laws, name: str) -> None:
    p = language_of(name)
    latent = not p.styles.disjoint
    restrictions: list[tuple[dict[str, Any], FiniteLanguage, np.ndarray]] = []
    kept = style(p, keep=p.styles.names[1], keep_prompts=not latent)
    restrictions.append(({"keep": "style", "style": 1}, kept.s, kept.event))
    if not latent:
        heads = top_mass(p, mass=0.5, of="answer", keep_prompts=True)
        restrictions.append(({"keep": "likeliest_half"}, heads.s, heads.event))
        rest = drop_mode(p, count=1, of="answer", keep_prompts=True)
        restrictions.append(({"keep": "all_but_mode"}, rest.s, rest.event))
    cold = sharpen(p, temperature=0.5, keep_prompts=True)
    restrictions.append(({"keep": "everything", "temperature": 0.5}, cold.s, cold.event))
    for settings, s, event in restrictions:
        found = laws("target", f"@{name}", settings)
        assert found["kept"] == event.tolist(), settings
        prompts, answers = numbers(found["logPrompt"]), numbers(found["logS"])
        joint = prompts[p.prompts.group] + answers
        there = event & (s.log_p > -np.inf)
        assert joint[there] == pytest.approx(s.log_p[there], abs=1e-12), settings
        assert np.isneginf(joint[~there]).all(), settings


def test_replay_mixes_documents(laws: Laws, world: Callable[[str], World]) -> None:
    own = laws("target", "@english", {"style": 2})
    mixed = laws("target", "@english", {"style": 2, "replay": 0.25})
    log_p = np.array(world("english")["logP"])
    prompt = np.array(world("english")["prompt"])
    joint = np.exp(numbers(own["logS"]) + numbers(own["logPrompt"])[prompt])
    found = np.exp(numbers(mixed["logS"]) + numbers(mixed["logPrompt"])[prompt])
    assert found == pytest.approx(0.75 * joint + 0.25 * np.exp(log_p), abs=1e-14)


def test_a_random_half_is_half_of_every_prompt_and_depends_on_the_seed(
    laws: Laws, world: Callable[[str], World]
) -> None:
    p, prompt = np.exp(world("english")["logP"]), np.array(world("english")["prompt"])
    first, again, other = (laws("target", "@english", {"keep": "random_half", "seed": s})["kept"] for s in (1, 1, 2))
    assert first == again != other
    for x in range(4):
        own = prompt == x
        share = p[own & np.array(first)].sum() / p[own].sum()
        assert 0.5 <= share < 0.5 + p[own].max() / p[own].sum()


def test_finite_data_sets(laws: Laws, world: Callable[[str], World]) -> None:
    prompt = np.array(world("english")["prompt"])
    whole = numbers(laws("target", "@english", {"style": 1})["logS"])
    for annotator in ("sampled", "tempered"):
        given = {"style": 1, "answers": 400, "annotator": annotator, "temperature": 0.5, "seed": 4}
        share = np.exp(numbers(laws("target", "@english", given)["logS"]))
        for x in range(4):
            own = (prompt == x) & (whole > -np.inf)
            counts = share[own] * 400
            assert counts == pytest.approx(np.round(counts), abs=1e-9)
            law = whole[own] / (0.5 if annotator == "tempered" else 1)
            expected = 400 * np.exp(law - logsumexp(law))
            common = expected > 5
            observed = [*counts[common], counts[~common].sum()]
            wanted = [*expected[common], expected[~common].sum() + 1e-9]
            assert stats.chisquare(observed, wanted, sum_check=False).pvalue > 1e-4
    alone = np.exp(numbers(laws("target", "@english", {"style": 1, "answers": 3, "annotator": "homogeneous"})["logS"]))
    modes = [int(np.flatnonzero(prompt == x)[np.argmax(whole[prompt == x])]) for x in range(4)]
    assert np.flatnonzero(alone).tolist() == sorted(modes)
    finite = {"answers": 6, "epochs": 3, "targets": "sampled", "batch": 8}
    assert laws("steps", "@english", finite) == 9  # 3 passes over 24 answers
    assert laws("steps", "@english", finite | {"targets": "exact"}) == 3


def test_a_sampled_step_scores_draws_from_s(laws: Laws) -> None:
    target = laws("target", "@english", {"style": 1})
    exact = np.array(laws("weights", "@english", {"style": 1}, 0))
    given = {"style": 1, "targets": "sampled", "batch": 4000}
    counts = np.array(laws("weights", "@english", given, 5)) * 4000
    assert counts == pytest.approx(np.round(counts), abs=1e-9)
    there = np.array(target["kept"])
    assert counts[~there].sum() == 0
    assert exact.sum() == pytest.approx(1, abs=1e-14)
    assert stats.chisquare(counts[there], 4000 * exact[there]).pvalue > 1e-3


def test_a_view_of_nothing_is_refused(laws: Laws) -> None:
    assert laws("view", "@examples", {"shots": 2})["logPrompt"].count("-Infinity") > 0
    for only in ({"shots": 3}, {"shots": 0, "style": 2}):
        assert laws("view", "@examples", only)["error"].startswith(
            "shots: 0 to 2 worked examples and a style from 0 to 1"
        )


def test_decoding_at_a_temperature(laws: Laws) -> None:
    trie = laws("trie", SMALL)
    logits = np.random.default_rng(0).normal(size=(trie["size"], 7)) * 3
    for temperature in (1.0, 0.5, 2.0):
        found = laws("decoded", SMALL, logits.ravel().tolist(), temperature)
        for row, (path, tokens) in enumerate(zip(trie["path"], SMALL["strings"], strict=True)):
            law = softmax(logits[path] / temperature, axis=1)
            wanted = sum(math.log(law[t, tokens[t]]) for t in range(2, len(path)))
            assert found[row] == pytest.approx(wanted, abs=1e-12)
    assert "positive temperature" in laws("decoded", SMALL, logits.ravel().tolist(), 0)["error"]


def test_every_half_precision_number_is_read(laws: Laws) -> None:
    bits = np.arange(2**16, dtype="<u2")
    found = numbers(laws("halves", base64.b64encode(bits.tobytes()).decode()))
    assert np.array_equal(found, bits.view("<f2").astype(np.float64), equal_nan=True)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_table_descends_as_optax_does(laws: Laws, optimizer: str) -> None:
    settings = {"style": 0, "optimizer": optimizer, "rate": 0.1, "warmup": 3, "decay": "cosine", "steps": 12}
    found = [numbers(law) for law in laws("trained", SMALL, settings, [0, 1, 12])]
    prompt, kept = np.array(SMALL["prompt"]), np.array(SMALL["style"]) == 0
    joint = np.exp(SMALL["logP"])
    weights = np.array([joint[prompt == x].sum() * j / joint[(prompt == x) & kept].sum() if k else 0.0
                        for x, j, k in zip(prompt, joint, kept, strict=True)])  # fmt: skip

    def law(logits: np.ndarray) -> np.ndarray:
        return np.concatenate([softmax(logits[prompt == x]) for x in (0, 1)])

    with jax.enable_x64(True):
        rates = [0.1 * min((t + 1) / 3, 1) * 0.5 * (1 + math.cos(math.pi * max(t - 3, 0) / 9)) for t in range(12)]
        chain = optax.scale_by_adam() if optimizer == "adam" else optax.identity()
        logits = np.array(SMALL["logP"])
        state = chain.init(logits)
        assert np.exp(found[0]) == pytest.approx(law(logits), abs=1e-15)
        for t in range(12):
            whole = np.array([weights[prompt == x].sum() for x in prompt])
            step, state = chain.update(whole * law(logits) - weights, state)
            logits = logits - rates[t] * np.asarray(step)
            if t == 0:
                assert np.exp(found[1]) == pytest.approx(law(logits), abs=1e-12)
    assert np.exp(found[2]) == pytest.approx(law(logits), abs=1e-10)


@pytest.mark.parametrize("name", ["english", "examples"])
def test_the_layout_scores_every_token_once(laws: Laws, world: Callable[[str], World], name: str) -> None:
    one = world(name)
    layout = laws("layout", f"@{name}")
    symbols, size = len(one["symbols"]), layout["blocks"] * layout["nodes"]
    weights = np.random.default_rng(1).random(len(one["strings"]))
    sums = np.array(laws("passed", f"@{name}", weights.tolist(), False)).reshape(size, symbols)
    length = [string.index(0) + 1 for string in one["strings"]]
    wanted = sum(w * (n - k) for w, n, k in zip(weights, length, one["promptLength"], strict=True))
    assert sums.sum() == pytest.approx(wanted, rel=1e-6)
    seen = np.array(layout["seen"]).reshape(layout["blocks"], layout["nodes"], layout["nodes"])
    token, depth = np.array(layout["token"]), np.array(layout["depth"])
    for path, string in zip(layout["path"], one["strings"], strict=True):
        for t, place in enumerate(path):
            block, at = divmod(place, layout["nodes"])
            above = np.flatnonzero(seen[block, at]) + block * layout["nodes"]
            read = token[above][np.argsort(depth[above])].tolist()
            assert read == [symbols, *string[:t]]  # BOS, and the tokens before


def test_own_sentences(laws: Laws) -> None:
    found = laws("parseOwn", "the sea is calm | plain | 3\narr the sea ! | pirate\n\nthe sea is calm | plain | 1")
    assert found["symbols"] == ["<eos>", "the", "sea", "is", "calm", "arr", "!"]
    assert found["styles"] == ["plain", "pirate"]
    assert np.exp(found["logP"]) == pytest.approx([0.8, 0.2])
    chinese = laws("parseOwn", "海很静 | 白话\n海如镜 | 诗意")
    assert (chinese["joiner"], chinese["language"], len(chinese["strings"][0])) == ("", "zh", 4)
    for text, wrong in [
        ("a b", "own: at least 2"),
        ("a | x | -1\nb", "line 1: a positive number"),
        ("a | x | 1 | 2\nb", "line 1: at most"),
        ("| x\nb", "line 1: a sentence"),
        ("a | x\na | y", "line 2: one style per sentence"),
        ("\n".join(f"w{i}" for i in range(130)), "line 129: at most 128"),
        (" ".join("w" * 20) + "\nb", "line 1: at most 19 words"),
        ("\n".join(f"w{i} | s{i}" for i in range(9)), "own: at most 8 styles"),
    ]:
        assert laws("parseOwn", text).startswith(wrong)


def test_new_weights_and_rates_compile_nothing(laws: Laws, world: Callable[[str], World]) -> None:
    one = world("english")
    trainings = [{"style": 0}, {"style": 2, "rate": 1e-3}, {"keep": "random_half", "replay": 0.2, "temperature": 0.5}]
    done = laws("transformed", "@english", trainings, 3)
    assert (done["chosen"]["device"], bool(done["chosen"]["reason"])) == ("wasm", True)
    assert [found["compiled"] > 0 for found in done["found"]] == [True, False, False]
    for settings, found in zip(trainings, done["found"], strict=True):
        before, after = map(numbers, found["laws"])
        assert np.abs(before - np.array(one["logQ0"])).max() < 1e-4
        log_s = laws("target", "@english", settings)["logS"]
        assert 0 < laws("kl", "@english", log_s, after.tolist()) < laws("kl", "@english", log_s, before.tolist())

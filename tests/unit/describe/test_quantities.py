"""What python -m sim.describe says about spread, growth, chains, paths and samples, and what it refuses."""

import math
from pathlib import Path

import pytest

from sim.describe import sampling

EXAMPLES = Path(__file__).parents[3] / "examples" / "grammars"
CHAIN = "type: markov\nalphabet: [on, off]\ntransitions: {on: {on: 1/2, off: 1/2}, off: {on: 1/2, off: 1/2}}\n"


def exact(quantity, unit):
    assert (quantity["exactness"], quantity["unit"]) == ("exact", unit)
    return quantity["value"]


def test_brackets_by_closed_forms(ask):
    """N uses of S: Var N = 4pq / m^3 with m = 1 - 2p; |x| = N - 1, and -log P is affine in N."""
    p, q = 0.3, 0.7
    said = ask(EXAMPLES / "brackets.yaml")
    uses = 4 * p * q / (1 - 2 * p) ** 3
    assert exact(said["support"]["length_variance"], "symbols^2") == pytest.approx(uses, rel=1e-13)
    assert exact(said["support"]["spectral_radius"], "1") == pytest.approx(0.6, rel=1e-14)
    varentropy = exact(said["entropy"]["varentropy"], "nat^2")
    assert varentropy == pytest.approx(uses / 4 * math.log(p * q) ** 2, rel=1e-12)
    assert exact(said["entropy"]["derivation_varentropy"], "nat^2") == varentropy


def test_a_square_of_nats_is_not_shown_in_bits(text):
    said = text(EXAMPLES / "brackets.yaml")
    line = next(line for line in said.splitlines() if "varentropy" in line)
    assert line == "  varentropy Var(-log P(x))   7.99188 nats^2   exact  (standard deviation 2.82699 nats)"


def test_where_strings_have_several_paths_the_varentropy_is_of_paths(ask, text):
    said = ask(EXAMPLES / "moods.yaml")
    assert "varentropy" not in said["entropy"]
    assert exact(said["entropy"]["path_varentropy"], "nat^2") > 0
    assert "varentropy of paths " in text(EXAMPLES / "moods.yaml")
    listed = ask(EXAMPLES / "moods.yaml", "--length", 5)
    assert exact(listed["entropy"]["varentropy"], "nat^2") != exact(listed["entropy"]["path_varentropy"], "nat^2")


def test_one_string_and_a_critical_grammar(write, ask):
    said = ask(write("type: strings\nstrings: {ab: 1}\n"))
    assert exact(said["support"]["length_variance"], "symbols^2") == exact(said["entropy"]["varentropy"], "nat^2") == 0
    assert "spectral_radius" not in said["support"]
    rules = "{lhs: S, rhs: [a, S, S], p: 1/2}, {lhs: S, rhs: [b], p: 1/2}"
    said = ask(write(f"{{type: pcfg, start: S, rules: [{rules}]}}"))
    assert exact(said["support"]["length_variance"], "symbols^2") == "inf"
    assert exact(said["entropy"]["varentropy"], "nat^2") == "inf"
    assert exact(said["support"]["spectral_radius"], "1") == 1.0


def test_chains_have_an_excess_entropy_and_kl_rates(write, ask):
    def h(p):
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    def kl(p, q):
        return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))

    said = ask(EXAMPLES / "endless.yaml", "--against", write(CHAIN))
    on = 2 / 7
    excess = h(on) - on * h(0.25) - (1 - on) * h(0.1)
    assert exact(said["entropy"]["excess_entropy"], "nat") == pytest.approx(excess, rel=1e-13)
    rate = on * kl(0.75, 0.5) + (1 - on) * kl(0.1, 0.5)
    assert exact(said["against"]["kl_rate"], "nat per symbol") == pytest.approx(rate, rel=1e-13)
    back = 0.5 * kl(0.5, 0.75) + 0.5 * kl(0.5, 0.1)
    assert exact(said["against"]["reverse_kl_rate"], "nat per symbol") == pytest.approx(back, rel=1e-13)


def test_the_path_and_its_string(ask, text):
    said = ask(EXAMPLES / "moods.yaml", "--string", "yes maybe no")
    assert said["path"]["path"] == "good"
    assert exact(said["path"]["p"], "1") == pytest.approx(0.2, rel=1e-14)
    assert exact(said["path"]["string_p"], "1") == pytest.approx(0.3, rel=1e-14)
    row = said["strings"]["yes maybe no"]
    assert row["path"] == "good -yes-> good -maybe-> bad -no-> bad"
    assert row["path_p"] == pytest.approx(2 / 3 * 0.45 * 0.1 * 0.4 * 0.3, rel=1e-13)
    assert row["path_p"] < row["p"]
    assert "Viterbi" not in text(EXAMPLES / "pfsa.yaml")


def test_two_languages_agree_with_a_probability(ask):
    said = ask(EXAMPLES / "strings.yaml", "--against", EXAMPLES / "strings.yaml")
    assert exact(said["against"]["collision"], "1") == pytest.approx(exact(said["diversity"]["collision"], "1"))


# -- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["strings", "markov", "moods"])
def test_a_sample_beside_the_truth(name, ask):
    said = ask(EXAMPLES / f"{name}.yaml", "--sample", 400, "--seed", 3)["sample"]
    assert (said["number"], said["seed"]) == (400, 3)
    rows = {row["estimator"]: row for row in said["estimates"]}
    assert list(rows) == ["plug-in", "Miller-Madow", "Chao-Shen", "Simpson", "Chao1", "Good-Turing"]
    simpson = rows["Simpson"]
    assert simpson["true"]["lower"] - 0.02 < simpson["estimated"] < simpson["true"]["upper"] + 0.02
    missing = rows["Good-Turing"]
    assert missing["estimated"] == pytest.approx(missing["true"]["value"], abs=0.06)
    assert rows["plug-in"]["estimated"] < rows["Miller-Madow"]["estimated"] < rows["plug-in"]["true"]["upper"] + 0.2


def test_a_sample_of_a_list_by_hand(write, ask):
    """The missing mass is that of the strings which this sample lacks."""
    said = ask(write("type: strings\nstrings: {a: 97/100, b: 2/100, c: 1/100}\n"), "--sample", 2, "--seed", 1)["sample"]
    assert said["different"] == 1
    rows = {row["estimator"]: row for row in said["estimates"]}
    assert rows["Good-Turing"]["true"]["value"] == pytest.approx(0.03, rel=1e-14)
    assert rows["plug-in"]["estimated"] == rows["Good-Turing"]["estimated"] == 0.0
    assert rows["Chao1"]["estimated"] == 1.0
    assert rows["Chao1"]["true"]["value"] == 3.0


def test_the_seed_decides_and_the_text_names_what_is_estimated(text):
    first, again, other = (text(EXAMPLES / "moods.yaml", "--sample", 50, "--seed", s) for s in (1, 1, 2))
    assert first == again != other
    assert "Estimates from a sample of 50 strings" in first
    assert "estimated" in first
    assert all(len(line) <= 100 for line in first.splitlines())


def test_long_strings_bound_the_missing_mass(ask, monkeypatch):
    monkeypatch.setattr(sampling, "WORK", 100)
    row = ask(EXAMPLES / "attachment.yaml", "--sample", 50)["sample"]["estimates"][-1]["true"]
    assert (row["exactness"], row["lower"]) == ("bounded", 0.0)
    assert 0.3 < row["upper"] < 1.0


def test_samples_that_cannot_be_drawn_are_refused(refused):
    assert (
        refused(EXAMPLES / "markov.yaml", "--sample", 1)
        == "--sample: an integer from 2 to 1,000,000 is required, found 1"
    )
    assert "--sample: sequences never end" in refused(EXAMPLES / "endless.yaml", "--sample", 5)


CHAINS, STRINGS = [EXAMPLES / "endless.yaml", EXAMPLES / "coins.yaml"], EXAMPLES / "strings.yaml"
WRITTEN = "give a file whose strings end, such as --length L --write FILE makes"


@pytest.mark.parametrize(
    ("one", "other", "fix"),
    [(*CHAINS, WRITTEN), (*CHAINS[::-1], WRITTEN), (STRINGS, CHAINS[0], WRITTEN), (CHAINS[0], STRINGS, "use --length")],
)
def test_what_never_ends_is_compared_only_with_its_like(one, other, fix, refused):
    """The advice is true: --length changes the first file only."""
    why = "sequences that never end have no strings to compare, and KL rates need two chains with visible states"
    assert refused(one, "--against", other) == f"--against: {why}; {fix}"


def test_the_advice_of_that_refusal_can_be_followed(ask, write):
    ask(CHAINS[1], "--length", 4, "--write", write("", "gone") + ".yaml")
    assert ask(CHAINS[0], "--length", 4, "--against", "gone.yaml")["against"]["total_variation"]["value"] == 1.0


def test_states_that_a_file_does_not_name_are_told(text):
    assert "states                      3  (the end is one of them)" in text(EXAMPLES / "weather.yaml")
    assert "states                      4  (the start is one of them)" in text(EXAMPLES / "markov.yaml")
    assert "states                      2\n" in text(EXAMPLES / "coins.yaml")


def test_numbers_in_a_row_have_a_unit_and_say_that_they_are_exact(text):
    assert " 4.91983  (nats; exact)\n" in text(EXAMPLES / "endless.yaml")
    assert "0 3 6 2 0 3 0 0 0 0 0 0  (by their number of symbols; exact)\n" in text(STRINGS)


def test_a_law_is_shown_with_its_symbols_as_they_are(text, write):
    """Symbols can be digits, and can have underscores."""
    law = "{s0: {0: 3/4, new_york: 1/4}}"
    name = write(f"type: hmm\nstart: {{s0: 1}}\ntransitions: {{s0: {{s0: 1}}}}\nemissions: {law}\n")
    shown = text(name, "--next", "0 0")
    assert "long-run share of symbols   0: 0.75, new_york: 0.25\n" in shown
    assert "'0 0'                       0: 0.75, new_york: 0.25\n" in shown


def test_a_restriction_is_shown_as_it_was_given(text):
    shown = text(STRINGS, "--restrict", "top_mass, count: 3")
    assert "\n  restriction top_mass, count: 3\n" in shown

"""C3: the predictions, with everything that decides them."""

from experiments.c3_answers import dial, measured, modes
from experiments.predictions import Prediction

CONVERGED = f"valid runs of cells with a mean KL(S‖q) of at most {measured.FIT} nats per answer"
CONTROL = "fresh answers to the same prompts, at equal steps: same world, width and rate"
DIAL = "ρ̂ = 0 is q₀ and ρ̂ = 1 is the data"
PARTS = "valid runs"

CONTROLS = (
    Prediction(
        "C3.0a", "Fresh data from P, or from P on half of the prompts, change no entropy (exact targets).", "equality",
        measured.still("exact"), predicted="0", rule="H(q) − H(q₀) on tuned and on held-out prompts within "
        f"the margin of {measured.NEAR} nats.", control="it is the control", value=0.0, margin=measured.NEAR,
        only=PARTS, null=True, figure="entropy",
    ),
    Prediction(
        "C3.0b", "The same under sampled targets: the noise floor.", "report", measured.still("sampled"),
        predicted="–", rule="H(q) − H(q₀).", control="C3.0a", only=PARTS, figure="entropy",
    ),
)  # fmt: skip

POPULATION = (
    Prediction(
        "C3.1a", "With infinitely many answers, forward KL covers: rare answers are neither neglected nor preferred.",
        "equality", measured.slopes("exact"), predicted="0", rule="The slope of log(q/S) on log S, exact targets, "
        "within the margin.", control="C3.1c", value=0.0, margin=0.05, only=PARTS, says="opposite",
        condition="not met", figure="entropy",
    ),
    Prediction(
        "C3.1b", "With infinitely many answers the model reaches S.", "sign", measured.covers,
        predicted=f"KL(S‖q) ≤ {measured.COVERED} nats", rule=f"{measured.COVERED} − KL(S‖q) above 0, exact targets.",
        control="C3.0a", only=PARTS,
    ),
    Prediction(
        "C3.1c", "The slope under sampled targets.", "report", measured.slopes("sampled"), predicted="–",
        rule="As C3.1a; above 0 means that rare answers are neglected.", control="C3.1a", only=PARTS,
    ),
)  # fmt: skip

DATA = (
    Prediction(
        "C3.2a", "A table that fits m answers exactly has E C = C + (1 − C)/m.", "equality",
        measured.drawn("collision"), predicted="1", rule="C over its expectation, mean over worlds, within 2 %.",
        control="none", value=1.0, margin=0.02, only="no runs: 320 data sets of 10 worlds", instrument=True,
    ),
    Prediction(
        "C3.2b", "And it has E H = Σ_y Σ_k Binom(m, P_y)(k) · (−(k/m) log(k/m)).", "equality",
        measured.drawn("entropy"), predicted="1", rule="H over its expectation, mean over worlds, within 2 %.",
        control="none", value=1.0, margin=0.02, only="no runs: 320 data sets of 10 worlds", instrument=True,
    ),
    Prediction(
        "C3.2c", "With one answer per prompt its entropy is 0.", "sign", measured.single, predicted="H ≤ 0.02 nats",
        rule="0.02 − H above 0.", control="none", only="no runs: 320 data sets of 10 worlds", instrument=True,
    ),
    Prediction(
        "C3.2d", "With one answer per prompt the model collapses on the prompts that it was trained on.", "sign",
        measured.collapse, predicted="more than half is lost, above 0",
        rule="½ H(P) − H(q) on trained prompts above 0, m = 1, whatever H is between its bounds.",
        control=CONTROL, only=CONVERGED, says="same", condition="met", figure="entropy",
    ),
)  # fmt: skip

MEMORY = (
    Prediction(
        "C3.3a", "In the end q lies on the line from P to the data: q = (1 − ρ)P + ρŜ.", "sign",
        dial.residuals_at_the_end, predicted="a residual of at most 10 %",
        rule="0.1 minus the share of E‖q − q₀‖² that is "
        f"not along Ŝ − P, above 0. {DIAL}.", control="none", only=CONVERGED, figure="memorisation",
    ),
    Prediction(
        "C3.3b", "It lies on this line halfway, too.", "sign", dial.residuals_halfway,
        predicted="a residual of at most 10 %", rule="As C3.3a, at the first evaluation with ρ̂ ≥ ½.", control="C3.3a",
        only=CONVERGED, figure="memorisation",
    ),
    Prediction(
        "C3.3c", "The collision probability follows the dial: m_eff = m/ρ².", "equality", dial.collisions,
        predicted="1", rule="(C(q) − C) over ρ̂²(1 − C)/m in the end; the margin is a quarter of the effect.",
        control="none", value=1.0, margin=0.25, only=CONVERGED,
    ),
    Prediction(
        "C3.3d", "ρ rises with the number of epochs.", "ordering", dial.epochs, predicted="rises",
        rule="ρ̂ at 1, 3, 10 and 100 % of the steps.", control="none", only=CONVERGED, figure="memorisation",
    ),
    Prediction(
        "C3.3e", "ρ rises with the width.", "sign", dial.widths, predicted="above 0", rule="The mean of ρ̂ over all "
        "evaluations, which are evenly spaced in log steps: width 64 minus width 32.", control="equal steps and data",
        only=CONVERGED, figure="memorisation",
    ),
    Prediction(
        "C3.3f", "ρ falls with the number of prompts at equal steps.", "sign", dial.numbers_at_equal_steps,
        predicted="above 0", rule="As C3.3e: 8 prompts minus 16 prompts, at equal m.", control="equal steps",
        only=CONVERGED,
    ),
    Prediction(
        "C3.3g", "And at equal epochs.", "sign", dial.numbers_at_equal_epochs, predicted="above 0",
        rule="The mean of ρ̂ over common epochs, on a logarithmic axis: 8 prompts minus 16 prompts, at equal m.",
        control="equal epochs", only=CONVERGED,
    ),
)  # fmt: skip

RIVALS = Prediction(
    "C3.4h", "What held-out prompts lose under exact targets, or with small steps.", "report", measured.rivals,
    predicted="–", rule="H(q) − H(q₀) + b on held-out prompts: below 0 if the loss exceeds that of the finite data.",
    control="C3.4a", only=PARTS, figure="entropy",
)  # fmt: skip

HELD_OUT = (
    Prediction(
        "C3.4a", "On held-out prompts a sampled annotator takes no more entropy than the finite data of a topic do.",
        "sign", measured.sharpened, predicted="at least −b", rule="H(q) − H(control) + b on held-out prompts above 0, "
        "whatever H is between its bounds; b is what a law of the topic loses that is fitted exactly to all its data.",
        control=CONTROL, only=CONVERGED, says="opposite", condition="not met", figure="entropy",
    ),
    Prediction(
        "C3.4b", "Nor does it add entropy there.", "sign", measured.flattened,
        predicted=f"at most {measured.NEAR} nats",
        rule=f"{measured.NEAR} − (H(q) − H(control)) on held-out prompts above 0.", control=CONTROL, only=CONVERGED,
        figure="entropy",
    ),
    Prediction(
        "C3.4c", "A homogeneous annotator lowers the entropy on held-out prompts.", "sign", measured.homogeneous,
        predicted="negative", rule="H(q) − H(control) on held-out prompts below 0.", control=CONTROL, only=CONVERGED,
        says="same", condition="met", figure="annotators",
    ),
    Prediction(
        "C3.4d", "It lowers it further than one sampled answer per prompt does.", "sign", measured.varied,
        predicted="above 0", rule="H(q) on held-out prompts: one sampled answer minus the likeliest answer.",
        control="equal steps, prompts and number of answers", only=CONVERGED, figure="annotators",
    ),
    Prediction(
        "C3.4e", "A tempered annotator moves the entropy of held-out prompts as that of the data moves.", "sign",
        measured.tempered, predicted="H(T) − H(P)",
        rule="H(q) − H(control) on held-out prompts has the predicted sign, infinitely many answers.",
        control=CONTROL, only=PARTS, figure="annotators",
    ),
    Prediction(
        "C3.4f", "How much of the temperature goes over to held-out prompts.", "report", measured.transfer,
        predicted="–", rule="log τ̂ on held-out over log τ̂ on trained prompts, fitted to q against P.",
        control="C3.4e", only=PARTS, figure="annotators",
    ),
    Prediction(
        "C3.4g", "What held-out prompts have lost halfway, when ρ̂ first reaches ½.", "report", measured.halfway,
        predicted="–", rule="H(q) − H(q₀) on held-out prompts.", control="C3.4a", only=CONVERGED, figure="entropy",
    ),
)  # fmt: skip

FITS = (
    Prediction(
        "C3.5a", "Forward KL in an n-gram table rests at conditional averages, in closed form.", "equality",
        modes.instrument, predicted="0", rule="Leak q(not in supp S) minus that of the best n-gram.", control="none",
        value=0.0, margin=modes.SETTLED, only=PARTS, instrument=True, figure="modes",
    ),
    Prediction(
        "C3.5b", "A model that is too small writes more that S lacks under forward KL than under mixed and reverse KL.",
        "ordering", modes.leaks, predicted="reverse < mixed < forward", rule="Leak q(not in supp S), mean over "
        "prompts.", control="C3.5c", only=PARTS, figure="modes",
    ),
    Prediction(
        "C3.5c", "In a table that can express S, both directions of KL leave S by as little.", "equality",
        modes.expressible, predicted="0", rule="Difference of the leaks within δ.", control="C3.5b", value=0.0,
        margin=modes.DELTA, only=PARTS, figure="modes",
    ),
    Prediction(
        "C3.5d", "A model that is too small spreads under forward KL, in place of choosing a mode.", "sign",
        modes.spreads, predicted="above 0", rule="H(q) − H(S) of the n-gram table.", control="C3.5e", only=PARTS,
        says="opposite", condition="not met", figure="modes",
    ),
    Prediction(
        "C3.5e", "The entropy of every fit.", "report", modes.entropies, predicted="–", rule="H(q) − H(S).",
        control="none", only=PARTS, figure="modes",
    ),
)  # fmt: skip

UNSEEN = (
    Prediction(
        "C3.6a", "The mass of valid answers that the data lack is (1 − ρ) times their mass in P.", "equality",
        dial.unseen, predicted="1", rule="q(unseen) over (1 − ρ̂) P(unseen), mean over the evaluations with "
        f"{dial.BETWEEN[0]} ≤ ρ̂ ≤ {dial.BETWEEN[1]} at which C3.3's residual is at most 10 %.", control="C3.3",
        value=1.0, margin=0.1, only=CONVERGED, figure="memorisation",
    ),
    Prediction(
        "C3.6b", "Good and Turing's estimate of that mass, from the data alone.", "report", dial.good_turing,
        predicted="1", rule="f₁/m over P(unseen).", control="none", only=PARTS,
    ),
    Prediction(
        "C3.7a", "The entropy on trained prompts by number of answers.", "report", measured.trained, predicted="–",
        rule="H(q) in the end; ρ̂²/m is in the note.", control=CONTROL, only=CONVERGED, figure="entropy",
    ),
    Prediction(
        "C3.7b", "At 256 answers in all, more answers to fewer prompts lower the entropy of held-out prompts.", "sign",
        measured.fewer_prompts, predicted="negative", rule="H(q) − H(P) on held-out prompts: 8 prompts of 32 answers "
        "minus 16 prompts of 16.", control="equal steps and number of answers", only=PARTS,
    ),
)  # fmt: skip

PREDICTIONS = (*CONTROLS, *POPULATION, *DATA, *MEMORY, *HELD_OUT, RIVALS, *FITS, *UNSEEN)

"""C4: what is predicted about conditioning, compounding errors, forgetting at a matched gate, and stages."""

from experiments.c4_cloning import cloning, forgetting
from experiments.predictions import Prediction

ROUNDING = 1e-6
"""A difference of exact numbers up to this counts as 0; the models compute with float32."""

CONTROL = 0.1
"""Margin of the control's hazard [nat]: a quarter of log 1.5, what counts as a slope nearer to 2 than to 1."""

FIT = f"valid runs with KL(S‖q) ≤ {cloning.FIT:g} nats in the end"
FRESH = "C4.0: the same fine-tuning on fresh data from P"

CONTROLS = (
    Prediction(
        "C4.0a", "Fine-tuning on fresh data from P leaves the weights of the styles at other prompts as they are.",
        "equality", cloning.control_weight, predicted="0", rule="w(control) − P(z) within a quarter of 1 − P(z).",
        control="it is the identity control", value=0.0, margin=0.2, only="valid runs, exact targets", null=True,
        figure="weights",
    ),
    Prediction(
        "C4.0b", "It leaves the hazard as it is.", "equality", cloning.control_hazard, predicted="0",
        rule="log of own hazard(control) / own hazard of P within the margin.", control="it is the identity control",
        value=0.0, margin=CONTROL, only="valid runs, exact targets", null=True, worlds=12, figure="hazards",
    ),
    Prediction(
        "C4.0c", "It forgets nothing, under SFT and under a reward of 1 everywhere.", "equality",
        forgetting.control_forgets, predicted="0", rule="KL(P‖control) − KL(P‖q₀) within the margin.",
        control="it is the identity control", value=0.0, margin=forgetting.TIE, only="valid runs, exact targets",
        null=True, figure="forgetting",
    ),
)  # fmt: skip

CONDITIONING = (
    Prediction(
        "C4.1a", "After fine-tuning on one style at half of the prompts, the model speaks it at the other half.",
        "equality", cloning.spoken, predicted="1",
        rule="The weight w of the tuned style in the best mixture Σ w_z P(·|x, z), mean over prompts that S never "
        "shows, within a quarter of 1 − P(z) of 1.", control=FRESH, value=1.0, margin=0.2, says="same",
        figure="weights",
    ),
    Prediction(
        "C4.1b", "What it says there is that mixture, with nothing else changed.", "sign", cloning.pure,
        predicted=f"{cloning.NEAR:g} minus the KL, above 0",
        rule=f"KL(q‖Σ w_z P_z) at these prompts is below {cloning.NEAR:g} nats, at its upper bound.", control=FRESH,
        says="same", figure="weights",
    ),
)  # fmt: skip

HORIZON = (
    Prediction(
        "C4.2a", "Transformer: expected steps off the path grow as the recursion says that has the hazard under true "
        "prefixes plugged in.", "equality", cloning.recursion("horizon_net"), predicted="0",
        rule="Slope of log J on log T between neighbouring horizons, minus that of the recursion, within the margin.",
        control="J of the recursion", value=0.0, margin=0.1, figure="horizons",
    ),
    Prediction(
        "C4.2b", "Tables: the same, where walkers come back.", "equality", cloning.recursion("horizon_returns"),
        predicted="0", rule="As C4.2a, with the recovery under prefixes of P.", control="C4.2a", value=0.0, margin=0.1,
        figure="horizons",
    ),
    Prediction(
        "C4.2f", "Tables: the same, where hazards do not depend on the path.", "equality",
        cloning.recursion("horizon_table"), predicted="0", rule="As C4.2a.", control="C4.2a", value=0.0, margin=0.1,
        instrument=True, figure="horizons",
    ),
    Prediction(
        "C4.2c", "Where an error is never repaired and ε T ≤ 1, errors compound: J grows nearer to T² than to T.",
        "sign",
        cloning.compounding(returns=False), predicted="slope above 1.5",
        rule=f"Slope of log J on log T minus {cloning.QUADRATIC:g} is above 0, ε the mean hazard of both models.",
        control="C4.2d", says="same", condition="met", figure="horizons",
    ),
    Prediction(
        "C4.2d", "Where walkers come back, J grows nearer to T.", "sign", cloning.compounding(returns=True),
        predicted="1.5 minus the slope, above 0",
        rule=f"{cloning.QUADRATIC:g} minus the slope is above 0, T from 8 on, recovery 0.2.", control="C4.2c",
        says="opposite", condition="not met", figure="horizons",
    ),
    Prediction(
        "C4.2e", "TV(S, q) ≤ Σ_t E_S[TV_t].", "bound", cloning.coupling, predicted="slack ≥ 0",
        rule="The least slack of all evaluations.", control="none", value=0.0, margin=ROUNDING,
        only="all runs, valid or not", instrument=True,
    ),
)  # fmt: skip

DRIFT = (
    Prediction(
        "C4.3a", "Own prefixes within the data are safer than true ones.", "sign", cloning.shift,
        predicted="below 0", rule="Own hazard / true hazard − 1, mean over steps, is below 0 in the end.",
        control="the same at q₀ (C4.3b)", only=FIT, says="opposite", worlds=12, figure="hazards",
    ),
    Prediction(
        "C4.3f", "Within the data there is hardly a shift.", "equality", cloning.sizes, predicted="0",
        rule="As C4.3a, within a quarter of what the shift is at q₀ (the margin of each case).", control="C4.3b",
        value=0.0, margin=0.02, only=FIT, worlds=12, figure="hazards",
    ),
    Prediction(
        "C4.3b", "Before the fine-tuning own prefixes are more dangerous, because S shows those that were survived.",
        "sign", cloning.start_shift, predicted="above 0", rule="As C4.3a, at q₀.", control="C4.3a", worlds=12,
        figure="hazards",
    ),
    Prediction(
        "C4.3c", "Own − true hazard = Cov_S(w, ε) / E_S[w], w = q(h)/S(h).", "bound", cloning.covariance, predicted="0",
        rule="|error| of every evaluation.", control="none", value=0.0, margin=ROUNDING,
        only="all runs, valid or not", instrument=True, figure="hazards",
    ),
    Prediction(
        "C4.3d", "Data with errors and their repair leave fewer walks that end off the path.", "sign",
        cloning.repaired, predicted="a ratio above 1",
        rule="Mass of walks that end off the path or out of P: data without errors over data of which a tenth has "
        "errors and their repair, equal steps; its logarithm above 0.", control=FRESH, worlds=12, figure="returns",
    ),
    Prediction(
        "C4.3e", "After data without errors the model comes back less often from where the data never are.", "sign",
        cloning.recovering, predicted="below 0",
        rule="Probability to come back at the last step, prefixes of P that are off: tuned − control below 0.",
        control=FRESH, says="same", worlds=12, figure="returns",
    ),
)  # fmt: skip

FORGETTING = (
    Prediction(
        "C4.4a", "Rejection sampling and SFT is SFT on P_A, tables.", "equality", forgetting.tie, predicted="0",
        rule="Difference of KL(P_A‖q_A) at q(A) = 0.9, 0.99, 0.999 within the margin.", control="SFT on P_A",
        value=0.0, margin=forgetting.TIE, figure="forgetting",
    ),
    Prediction(
        "C4.4b", "So is the policy gradient with a KL penalty, once it is near its optimum, tables.", "equality",
        forgetting.converged, predicted="0", rule="As C4.4a, at q(A) = 0.999.", control="SFT on P_A", value=0.0,
        margin=forgetting.TIE, only=f"valid runs with KL(q*‖q) ≤ {forgetting.OPTIMAL:g} nats in the end",
        figure="forgetting",
    ),
    Prediction(
        "C4.4c", "Plain policy gradient forgets more within A than all three, tables.", "sign",
        forgetting.drifts("table", ("oracle", "rejection", "klpg")), predicted="above 0",
        rule="Difference of KL(P_A‖q_A) at q(A) = 0.999.", control="C4.4a", figure="forgetting",
    ),
    Prediction(
        "C4.4d", "The same in the transformer, against the two that have no penalty to converge.", "sign",
        forgetting.drifts("net", ("oracle", "rejection")), predicted="above 0", rule="As C4.4c.", control="C4.4c",
        figure="forgetting",
    ),
    Prediction(
        "C4.4e", "Fine-tuning on S ends by paying KL(P_A‖S).", "equality", forgetting.pays, predicted="0",
        rule="KL(P_A‖q_A) in the end − KL(P_A‖S) within the margin.", control="SFT on P_A", value=0.0,
        margin=forgetting.SETTLED, instrument=True, figure="forgetting",
    ),
    Prediction(
        "C4.4f", "It pays more before.", "sign", forgetting.detours, predicted="above 0",
        rule="KL(P_A‖q_A) at q(A) = 0.9 minus that in the end.", control="C4.4e", figure="forgetting",
    ),
    Prediction(
        "C4.4g", "Policy gradient with a KL penalty forgets less than SFT on an S that is narrower than P_A, tables.",
        "sign", forgetting.less("klpg", 1.0, forgetting.NARROW), predicted="above 0",
        rule=f"SFT on S minus it, KL(P_A‖q_A) at q(A) = 0.999, for KL(P_A‖S) of {forgetting.NARROW:g} nats and more.",
        control="C4.4b", figure="forgetting",
    ),
    Prediction(
        "C4.4h", "Plain policy gradient forgets more than SFT on each S, tables.", "sign",
        forgetting.less("pg", -1.0, 0.0), predicted="above 0", rule="It minus SFT on S, at q(A) = 0.999.",
        control="C4.4c", figure="forgetting",
    ),
    Prediction(
        "C4.4i", "Every arm of the transformer at matched gates.", "report", forgetting.every_arm, predicted="–",
        rule="KL(P_A‖q_A) between the neighbours that the path has.", control="none", figure="forgetting",
    ),
)  # fmt: skip

STAGES = (
    Prediction(
        "C4.5a", "DPO with labels by Bradley and Terry ends at q* ∝ q_ref e^(r/β), table.", "bound", forgetting.optimum,
        predicted=f"KL(q*‖q) ≤ {forgetting.OPTIMAL:g} nats", rule="The limit minus KL(q*‖q), every run.",
        control="none", value=0.0, margin=0.0, instrument=True, figure="stages",
    ),
    Prediction(
        "C4.5b", "As a second stage, DPO with hard labels loses more than with labels by Bradley and Terry.", "sign",
        forgetting.harder, predicted="above 0", rule="What the stage adds to KL(P‖q), equal steps.",
        control="C4.5a", figure="stages",
    ),
    Prediction(
        "C4.5c", "What each stage loses.", "report", forgetting.lost, predicted="–",
        rule="What a stage adds to KL(P‖q), and takes from the entropy.", control="C4.5d", figure="stages",
    ),
    Prediction(
        "C4.5d", "A second stage on fresh data from P.", "report", forgetting.control_stage, predicted="–",
        rule="As C4.5c.", control="none", figure="stages",
    ),
)  # fmt: skip

CONSERVATIVE = (
    Prediction(
        "C4.6", "The narrower the data, the lower the hazard.", "sign", cloning.conservative, predicted="above 0",
        rule="Slope of log own hazard on H(S) over three S with one support, at equal fit and at equal steps.",
        control="equal fit", says="same", worlds=12, figure="narrowness",
    ),
)  # fmt: skip

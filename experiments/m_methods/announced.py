"""The predictions of M."""

from experiments.m_methods import erasing, frontier, optima
from experiments.m_methods.methods import FIT
from experiments.predictions import Prediction

COUNTS = f"valid runs with KL(S‖q) + log(1 − q(⊥)) ≤ KL(S‖q*) + {FIT:g} in the end, or with an infinite KL(S‖q*)"
"""q* is known given that the answer is listed, so the leak of a model is taken from its fit."""

SFT = "SFT with the same targets, in the same worlds"

CONTROL = (
    Prediction(
        "M.0a", "Fine-tuning on fresh data from P erases nothing.", "equality",
        lambda tables: optima.identity(tables, "exact"), predicted="0", rule="E of the identity control, exact targets "
        "[nat].", control="it is the identity control", value=0.0, margin=0.05, null=True, only="valid runs", worlds=12,
    ),
    Prediction(
        "M.0b", "The noise floor of sampled targets.", "report", lambda tables: optima.identity(tables, "sampled"),
        predicted="–", rule="E of the identity control, sampled targets [nat].", control="it is the identity control",
        only="valid runs",
    ),
)  # fmt: skip

OPTIMA = (
    Prediction(
        "M.1a", "The entropy of a trained model differs from that of SFT in the direction of the optimum of its loss.",
        "sign", optima.entropies, predicted="above 0", rule="H(q) − H(q of SFT), times the sign of H(q*) − H(S), which "
        "is computed in every world; both ends of the bounds.", control="SFT with exact targets, in the same worlds",
        only=COUNTS, worlds=12,
    ),
    Prediction(
        "M.1b", "The entropy of a trained model is that of the optimum of its loss.", "equality", optima.reached,
        predicted="0", rule="H(q) − H(q*) within a quarter of the mean of |H(q*) − H(S)|; both ends of the bounds. Not "
        "for the two losses of M.1d, whose H(q*) is known only given that the answer is listed.",
        control="the effect itself, M.1a", value=0.0, only=COUNTS, margin=0.05, worlds=12,
    ),
    Prediction(
        "M.1c", "A loss whose optimum keeps every answer of P forgets less than SFT.", "sign", optima.forgotten,
        predicted="above 0", rule="KL(P‖q of SFT) − KL(P‖q), for methods with a finite KL(P‖q*) in every world; "
        "KL(P‖S) is infinite.", control="SFT with exact targets, in the same worlds", only=COUNTS, worlds=12,
    ),
    Prediction(
        "M.1d", "Label smoothing and the entropy bonus leak out of the support of P.", "sign", optima.leaks,
        predicted="above 0", rule="q(⊥) − q(⊥) of SFT; their optima have q*(⊥) above 0, and S has none.",
        control="SFT with exact targets, in the same worlds", only=COUNTS, worlds=12,
    ),
    Prediction(
        "M.1e", "Learning gaps.", "report", optima.learning_gaps, predicted="–", rule="KL(P‖q) − KL(P‖q*) where it is "
        "finite, and KL(q*‖q); q* given that the answer is listed.", control="none", only=COUNTS,
    ),
    Prediction(
        "M.2a", "DFT puts all mass on the greedy answer.", "sign", optima.greedy_end, predicted="above 0.9",
        rule="Mean over prompts and worlds of log q(greedy answer | x) in the end, minus log 0.9 = −0.1054, above 0. "
        "The greedy answer follows the argmax of S(·|h) at every prefix.", control="the start of the same run, M.2b",
        threshold=-0.1054, only="valid runs", worlds=12,
    ),
    Prediction(
        "M.2b", "It does so all the way: under DFT the mass of the greedy answer rises at every stage.", "ordering",
        optima.greedy_path, predicted="rises", rule="Mean of log q(greedy answer | x) at the start and at the last "
        "evaluations up to 2 %, 10 % and 100 % of the steps. Along the gradient flow of the table it rises if q₀ ranks "
        "the tokens as S does.", control="the stages of one run", only="valid runs", worlds=12,
    ),
)  # fmt: skip

ERASING = (
    Prediction(
        "M.3a", "A warm-up lowers the excursion.", "sign", erasing.warm_excursions, predicted="above 0",
        rule="X of SFT − X with a warm-up of 100 or 300 steps.", control=SFT, only=COUNTS, worlds=12,
    ),
    Prediction(
        "M.3b", "A warm-up lowers what is erased, at equal fit.", "sign", erasing.warm_erasures, predicted="above 0",
        rule="E of SFT − E with a warm-up, both where KL(S‖q) first is 0.03 nats.", control=SFT, only="valid runs that "
        "get there", worlds=12,
    ),
    Prediction(
        "M.3c", "The same in the end.", "report", erasing.warm_ends, predicted="–", rule="E of SFT − E with a warm-up, "
        "as C2.8e in other worlds.", control=SFT, only=COUNTS,
    ),
    Prediction(
        "M.4", "FINCH.", "report", optima.finch, predicted="–", rule="E, X and KL(S‖q) in the end, and E of SFT − E.",
        control=SFT, only=COUNTS,
    ),
    Prediction(
        "M.5a", "Answers of what is lost, one in a hundred, lower what is erased, also at a large rate.", "sign",
        erasing.replay_erases_less, predicted="above 0", rule="E of SFT − E with λ = 0.01, for replay of P and of q₀, "
        "with exact and with sampled targets.", control=SFT, only=COUNTS, says="same", worlds=12,
    ),
    Prediction(
        "M.5b", "Nothing is erased then.", "equality", erasing.replay_erases_nothing, predicted="0",
        rule="E with λ = 0.01 within a quarter of what SFT with exact targets erased in other worlds.",
        control="M.0a, and SFT (M.5a)", value=0.0, margin=erasing.GONE, only=COUNTS, worlds=12,
    ),
    Prediction(
        "M.5c", "The optimum forgets at most −log λ.", "bound", erasing.replay_bound, predicted="at least 0",
        rule="−log λ − KL(P‖q*) at least 0, and for self-replay −log λ + KL(P‖q₀) − KL(P‖q*).", control="none",
        margin=1e-9, instrument=True, only="valid runs",
    ),
    Prediction(
        "M.5d", "How much of −log λ the trained models forget.", "report", erasing.replayed_forgetting, predicted="–",
        rule="−log λ − KL(P‖q).", control="none", only=COUNTS,
    ),
    Prediction(
        "M.6a", "Methods that train on what is lost erase less than cross-entropy on S at the same excursion.", "sign",
        lambda tables: erasing.below_curve(tables, "X", erasing.TRAINED), predicted="below 0",
        rule="E − E of plain SFT at the same X, in the same world with the same targets: log E on a line over log X "
        "between the runs at other rates; X up to 0.05 are tied. Worlds in which no line reaches X are left out.",
        control="plain SFT at the same X", only=COUNTS, worlds=12,
    ),
    Prediction(
        "M.6b", "Methods that change the steps alone erase what cross-entropy does whose steps are as long.",
        "equality", erasing.same_curve, predicted="0", rule="log E − log E of plain SFT at the same Q = Σ‖θ_t − "
        "θ_(t−1)‖², read as in M.6a, within the margin of C2.8k.", control="plain SFT at the same Q", value=0.0,
        margin=erasing.EQUAL, only=COUNTS, worlds=12,
    ),
    Prediction(
        "M.6c", "Methods that train on what is lost erase less than cross-entropy on S whose steps are as long.",
        "sign", lambda tables: erasing.below_curve(tables, "Q", erasing.TRAINED), predicted="below 0",
        rule="As M.6a, with Q in the place of X.", control="plain SFT at the same Q", only=COUNTS, worlds=12,
    ),
    Prediction(
        "M.6d", "All other methods at the same X; and plain SFT on the line through its other rates.", "report",
        lambda tables: erasing.below_curve(tables, "X", erasing.OTHERS, None), predicted="–", rule="As M.6a.",
        control="M.6a", only=COUNTS,
    ),
    Prediction(
        "M.6e", "The same at the same Q.", "report",
        lambda tables: erasing.below_curve(tables, "Q", erasing.OTHERS, None), predicted="–", rule="As M.6c.",
        control="M.6c", only=COUNTS,
    ),
)  # fmt: skip

FRONTIER = (
    Prediction(
        "M.7a", "With a replay of one in a hundred a model lies nearer to the frontier than SFT, at equal fit.", "sign",
        frontier.replay_is_nearer, predicted="above 0", rule="Distance of SFT − distance with λ = 0.01, where KL(S‖q) "
        "first is 0.1 and 0.03 nats. The distance is KL(P‖q) − the least KL(P‖q) at this KL(S‖q).", control=SFT,
        only="valid runs that get there", worlds=12,
    ),
    Prediction(
        "M.7b", "Interpolated weights lie nearer to the frontier than a training that is stopped early.", "sign",
        frontier.interpolated, predicted="above 0", rule="KL(P‖q) where the path of the same run first fits as well − "
        "KL(P‖q) of (1 − w)θ₀ + wθ₁, w = 0.2 and 0.3.", control="the path of the same run", only="valid runs whose "
        "path gets there", worlds=12,
    ),
    Prediction(
        "M.7c", "The smaller the rate, the nearer to the frontier.", "ordering", frontier.by_rate, predicted="rises "
        "with the rate", rule="Distances where KL(S‖q) first is 0.03 nats, SFT with sampled targets at 2.5e-4, 5e-4, "
        "1e-3 and 2e-3.", control="the same loss at each rate", only="valid runs that get there", worlds=12,
    ),
    Prediction(
        "M.7d", "The distances of all other methods.", "report", frontier.all_distances, predicted="–",
        rule="As M.7a.", control=SFT, only="valid runs that get there",
    ),
)  # fmt: skip

PREDICTIONS = (*CONTROL, *OPTIMA, *ERASING, *FRONTIER)

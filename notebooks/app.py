import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="What fine-tuning does to a known language")

with app.setup:
    import functools

    import marimo as mo

    import sim
    from sim.lessons import chart, last, line, path

    STEPS = 300
    KINDS = {
        "one style": [{"kind": "style", "keep": "z0", "keep_prompts": True}],
        "two styles": [{"kind": "style", "keep": ["z0", "z1"], "keep_prompts": True}],
        "all answers": [{"kind": "everything"}],
        "without the likeliest answers": [{"kind": "drop_mode", "mass": 0.2, "of": "answer", "keep_prompts": True}],
    }


@app.function
@functools.cache
def pretrained(seed):
    """The run that all others begin from: a table of next-token laws has learnt a world of 128 documents."""
    return sim.simulate(
        grammar={"kind": "styles_content", "num_prompts": 2, "answer_length": 2, "shown": 1.0, "seed": seed},
        model="tabular_trie",
        restriction=restriction("one style", 1.0),
        objective={"kind": "replay", "weight": 0.0},
        pretrain={"prefixes": "all", "num_steps": 1000, "num_evals": 2, "optimizer": {"learning_rate": 0.2}},
        finetune={"prefixes": "all", "num_steps": STEPS, "num_evals": 7},
        optimizer={"learning_rate": 0.1, "warmup": 20, "decay": "cosine"},
        seed=seed,
        name="app",
        progress=False,
    )


@app.function
def restriction(kind, temperature):
    """What the data S keep of P, and the temperature of their answers (below 1: sharper, above 1: more even)."""
    heat = [] if temperature == 1.0 else [{"kind": "sharpen", "temperature": temperature, "keep_prompts": True}]
    return {"kind": "in_turn", "steps": [*KINDS[kind], *heat]}


@app.function
def tuned(seed, kind, temperature, replay):
    """The fine-tuning that the controls ask for."""
    changes = {"restriction": restriction(kind, temperature), "objective": {"weight": replay}}
    return pretrained(seed).finetune(**changes, progress=False)


@app.function
def shown(quantity):
    """A number as people read it: exact, or between certain bounds, with as many digits as tell them apart."""
    if quantity.exact:
        return f"{quantity.lower:.4g}"
    ends = [[f"{end:.{digits}g}" for end in (quantity.lower, quantity.upper)] for digits in range(4, 18)]
    return f"[{', '.join(next(pair for pair in ends if pair[0] != pair[1]))}]"


@app.function
def numbers(result):
    """The numbers under the picture, each with its unit and with how it is known."""
    truth, before = {"phase": "truth"}, {"phase": "pretrain"}
    rows = {
        "H(P), the language [nat per answer]": last(result, "entropy", "P", **truth),
        "H(S), the data [nat per answer]": last(result, "entropy", "S", **truth),
        "H(q*), the best fit [nat per answer]": last(result, "entropy", "q*", **truth),
        "H(q₀), before the fine-tuning [nat per answer]": last(result, "entropy", "q", **before),
        "H(q), after it [nat per answer]": last(result, "entropy", "q"),
        "H of the control [nat per answer]": last(result, "entropy", "q", phase="identity"),
        "forgetting, KL(P‖q) [nat per answer]": last(result, "kl", "P||q"),
        "forgetting of the control [nat per answer]": last(result, "kl", "P||q", phase="identity"),
        "mass of style z0, q(z0)": last(result, "style_mass", "q", at="z0"),
    }
    return [{"quantity": name, "value": shown(one), "known": one.kind} for name, one in rows.items()]


@app.function
def drawn(result):
    """Entropy and forgetting over the steps, with the control beside them."""
    figure, (left, right) = chart("Entropy", "Forgetting, KL(P‖q)", y="[nat per answer]", last_step=STEPS, sharey=False)
    for index, (phase, name) in enumerate({"sft": "fine-tuned on S", "identity": "control: on P"}.items()):
        line(left, path(result, "entropy", "q", phase=phase), name, index)
        line(right, path(result, "kl", "P||q", phase=phase), name, index)
    line(left, path(result, "entropy", "P", phase="truth"), "H(P)", 6, truth=True)
    line(left, path(result, "entropy", "q*", phase="truth"), "H(q*), best fit", 5, truth=True)
    left.set_ylim(0, 4.5)
    right.set_ylim(bottom=0)
    left.legend(fontsize="small", loc="lower left")
    return figure


@app.cell
def _():
    mo.md("""
    # What fine-tuning does to a known language

    A table of next-token laws has learnt a world of 128 documents in four styles, the language *P*. Choose the data *S*
    of the fine-tuning. Every number is computed from the exact probabilities: nothing is estimated from samples.

    **Predict** before you move a slider: where will the entropy of the model end?
    """)
    return


@app.cell
def _():
    kind = mo.ui.dropdown(list(KINDS), value="one style", label="the data keep")
    temperature = mo.ui.slider(
        0.4, 2.0, value=1.0, step=0.1, label="temperature of the answers in the data", debounce=True, show_value=True
    )
    replay = mo.ui.slider(
        0.0, 0.5, value=0.0, step=0.05, label="share λ of data of P (replay)", debounce=True, show_value=True
    )
    seed = mo.ui.slider(0, 4, value=0, label="world", debounce=True, show_value=True)
    mo.vstack([mo.md("## Choose"), kind, temperature, replay, seed])
    return kind, replay, seed, temperature


@app.cell
def _(kind, replay, seed, temperature):
    result = tuned(seed.value, kind.value, temperature.value, replay.value)
    figure = drawn(result)
    table = numbers(result)
    mo.vstack(
        [
            mo.md("## See"),
            figure,
            mo.ui.table(table, selection=None, pagination=False, show_download=False, label="At the end"),
        ]
    )
    return figure, result, table


@app.cell
def _():
    mo.md("""
    ## Ask

    * Which data *raise* the entropy of the model?
    * With which share of replay does the forgetting stop to grow? Compare it with P(B) · log(1/λ), with P(B) = ¾.
    * What does the control do? It is the same training on fresh data of P.

    A band lies between certain bounds: a model also writes strings that P does not have. The lessons beside this app
    ask further: `c1_entropy`, `c2_support`, and so on.
    """)
    return


if __name__ == "__main__":
    app.run()

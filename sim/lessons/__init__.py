"""Lessons for notebooks: exercises with checked answers, and short ways to what is measured and published.

    from sim.lessons import check, path, picture, published

    check("c1.2", 2.5, result)                    # is the answer to exercise c1.2 right? `result` is the reader's run
    path(result, "entropy", "q")                  # one quantity over the steps of the fine-tuning
    published("c1_entropy")["runs"]               # a published table of a claim
    picture("c1_entropy", "subsets")              # a published figure of a claim
    figure, axes = chart("Entropy", y="H [nat]", last_step=300)
    line(axes, path(result, "entropy", "q"), "model")   # a line, or a band where a number is known between bounds

A lesson is a file `sim/lessons/<lesson>.py` with a list `EXERCISES`. Its exercises are called `<prefix>.1`,
`<prefix>.2`, ..., where the prefix is the part of the file's name before the first `_`. No two lessons share one.
"""

from sim.lessons._checking import Checked, check, key
from sim.lessons._drawing import chart, line
from sim.lessons._exercise import Exercise, Slip
from sim.lessons._reading import last, path, picture, published

__all__ = ["Checked", "Exercise", "Slip", "chart", "check", "key", "last", "line", "path", "picture", "published"]

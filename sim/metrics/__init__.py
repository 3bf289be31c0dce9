"""Measures: pure functions from recorded float64 arrays to numbers. The same function serves a truth and a model.

Two kinds of arguments are used everywhere:
* sums over strings take `log_p`, `log_q`, `log_w`, float64[N]; `log_w` is the log prompt law at each string's prompt;
* measures that need prompts, nodes or the mass off the support take `Scored` objects and `log_law`, float64[G].
A result that is certified but not exact is a `Quantity`. A file with a list `METRICS` adds rows to every table of
numbers (see `sim.metrics.scene`). The other files hold functions that metrics share.
"""

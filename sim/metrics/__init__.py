"""Measures: pure functions of recorded arrays, float64 in, numbers out; the same function serves truth and model.

Two shapes of argument are used everywhere:
* sums over strings take `log_p`, `log_q`, `log_w`, float64[N]; `log_w` is the log prompt law at each string's prompt;
* what needs prompts, nodes or the mass off the support takes `Scored` objects and `log_law`, float64[G].
A result that is certified but not exact is a `Quantity`. A file with a list `METRICS` adds rows to every table of
numbers (`sim.metrics.scene` says how a metric is declared); the other files hold functions that metrics share.
"""

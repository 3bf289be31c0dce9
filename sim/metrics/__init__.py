"""Measures as pure functions of recorded arrays: float64 in, numbers out; the same function serves truth and model.

Two shapes of argument, everywhere the same:
* sums over strings take `log_p`, `log_q`, `log_w`, float64[N]; `log_w` is the log prompt law at each string's prompt;
* what needs prompts, nodes or the mass off the support takes `Scored` objects and `log_law`, float64[G].
A result that is certified but not exact is a `Quantity`.
"""

"""Measure the speed of the project, as ratios: `python -m benchmarks [name ...] [--quick]`, or `make bench`."""

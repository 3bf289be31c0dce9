"""What the project costs, as ratios: `python -m benchmarks [name ...] [--quick]`, or `make bench`."""

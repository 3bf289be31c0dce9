"""One file per optimiser. Each has one dataclass; its numbers are traced leaves, see `Optimizer`."""

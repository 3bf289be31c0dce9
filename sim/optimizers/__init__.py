"""One file per optimiser; each exports one dataclass whose numbers are traced leaves, see `Optimizer`."""

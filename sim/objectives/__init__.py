"""One file per training objective. Each has one dataclass that states its predicted optimum, see `Objective`."""

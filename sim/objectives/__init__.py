"""One file per training objective; each exports one dataclass that states its predicted optimum, see `Objective`."""

"""One file per figure, `figures/<study>/<figure>.py`, found by looking; see `figures.__main__` for what it defines."""

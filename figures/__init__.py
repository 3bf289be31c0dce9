"""One file per figure, `figures/<study>/<figure>.py`, found by its place. `figures.__main__` says what it defines."""

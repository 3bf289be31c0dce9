"""One file per figure: `draw(tables)` returns a matplotlib figure, or None where the world has nothing to show."""

"""One file per probe: a function that records further quantities of a model at every evaluation of a training."""

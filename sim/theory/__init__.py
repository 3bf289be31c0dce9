"""Predictions from the ground truth alone: optima, decay laws, bounds. Pure numpy float64; no model is looked at."""

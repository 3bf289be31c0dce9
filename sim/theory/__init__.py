"""Predictions from the ground truth alone: optima, decay laws and bounds. They use numpy float64 and no model."""

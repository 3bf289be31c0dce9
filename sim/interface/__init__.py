"""The simulator in Python, for notebooks and scripts. It has the same defaults, records and numbers as the commands."""

from sim.interface.model import TrainedModel, model_of
from sim.interface.result import Result
from sim.interface.simulate import simulate

__all__ = ["Result", "TrainedModel", "model_of", "simulate"]

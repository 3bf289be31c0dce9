"""Figures of one run. The run may belong to any study."""

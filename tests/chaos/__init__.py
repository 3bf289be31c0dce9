"""Campaigns against results on the disk: kills, damage, exchanged folders, and an error at every call that writes."""

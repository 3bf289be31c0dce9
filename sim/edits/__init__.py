"""Edits of parameters after a fine-tuning, without training: functions of q0, the tuned model and a key."""

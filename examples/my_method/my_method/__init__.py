"""A method of fine-tuning from outside the simulator. Copy this folder, and put your own in the place of it."""

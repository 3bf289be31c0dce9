"""Training on the device: one job, many jobs in one program, and the exact evaluation on the prefix trie."""

"""Training on the device: one job, many jobs in one program, and exact evaluations on the prefix trie."""

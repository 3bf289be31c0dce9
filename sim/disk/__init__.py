"""What lies on the disk: records, pretrainings, checkpoints, locks; and whether each file is what its name says."""

"""Everything that is kept on the disk: records, pretrainings, checkpoints and locks, with checksums of their files."""

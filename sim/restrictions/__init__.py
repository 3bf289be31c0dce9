"""What turns a language P into the SFT language S, exactly: one file per kind."""

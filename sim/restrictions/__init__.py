"""Restrictions turn a language P into the SFT language S, exactly. There is one file per kind."""

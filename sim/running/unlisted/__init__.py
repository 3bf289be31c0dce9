"""Runs on languages whose strings are not listed: from a configuration to a record."""

"""Runs on languages whose strings are not listed: their worlds, records, and estimates with intervals."""

"""Finished runs as one small set of files that numpy and any reader of parquet can open, and records of them again."""

"""Worlds of the exam whose strings are too many to list: judged by drawn documents, with intervals."""

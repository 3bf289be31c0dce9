"""Figures of claim A: construct errors and sampling errors of proxies."""

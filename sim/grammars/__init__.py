"""Constructors of languages with exactly known distributions, one file per kind."""

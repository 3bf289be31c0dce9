"""Realistic mistakes, planted one at a time in a copy of the source, to see that the tests notice each of them."""

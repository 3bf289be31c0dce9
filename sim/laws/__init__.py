"""Laws of languages that are too large to list: exact probabilities of whole batches of strings, in numpy."""

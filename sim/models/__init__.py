"""One file per model family; each exports one constructor that takes the trie of P and returns a `Model`."""

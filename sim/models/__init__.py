"""One file per model family. Each has one constructor, which takes the trie of P and returns a `Model`."""

"""Weighted context-free grammars. Rules may be long, empty or cyclic, and grammars may be ambiguous."""

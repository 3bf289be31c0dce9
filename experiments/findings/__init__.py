"""Published findings, checked: statements of the literature beside the numbers of this project.

`statements.toml` holds the statements, and says where each number comes from: a published finding or table of a claim,
a formula (`formulas.py`), or the reference of the atlas. No number is typed. `entries.py` reads the file, `numbers.py`
the numbers, `verdicts.py` says by one rule what follows, and `page.py` writes docs/findings.md:
python -m experiments findings --out docs.
"""

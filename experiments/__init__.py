"""Reports and verdicts from finished runs: one file or folder per question.

A report has `analyse(record)`, which turns the record of a run into tables, and `report(tables)`, which says in words
what they say; with `TOGETHER = True` it takes all records of a folder at once. A claim has `CLAIM`, see
`experiments.predictions`. Both are found by their names; nothing else has to name them.
"""

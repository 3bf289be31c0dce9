"""Reports and verdicts from finished runs: one file or folder per question.

A report has `analyse(record)`, which turns the record of a run into tables, and `report(tables)`, which describes them
in words. With `TOGETHER = True`, `analyse` takes the folder and reads all its records; with `ALONE = True` it
takes nothing, because there are no runs. A claim has `CLAIM`, see
`experiments.predictions`. Both are found by their names, so no list has to name them.
"""

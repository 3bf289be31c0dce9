"""One file per question: `analyse(record)` turns a record into tables, `report(tables)` says in words what they say."""

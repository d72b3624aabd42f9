"""Reports for people and programs: the same rows as a table, JSON, CSV or a printable page."""

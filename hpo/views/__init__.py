"""A snapshot of a study as people see it: texts, records, figures, the report, the terminal."""

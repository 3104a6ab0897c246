"""The command line: ``hpo`` and its commands, each with a light parser and its work."""

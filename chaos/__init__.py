"""The chaos run: a study of real trainings, disturbed as badly as can be, must end as if nothing was.

``python -m chaos --help`` says what it does and shows examples.
"""

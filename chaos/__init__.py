"""The chaos run: a study disturbed as badly as can be must end as if it had not been.

``python -m chaos --help`` says what it does and shows examples.
"""

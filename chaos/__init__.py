"""The chaos run: disturbed studies must end as if undisturbed.

``python -m chaos --help`` says what it does and shows examples.
"""

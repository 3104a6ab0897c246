"""Measurements side by side: networks against eager PyTorch and JAX, the service
against Optuna.

``make bench`` (``python -m benchmarks``) runs all of them and writes
``benchmarks/RESULTS.md``.
"""

"""Dynamical networks: one readable reference per equation, in PyTorch, and the CPU kernels behind them."""

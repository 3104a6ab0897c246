"""Dynamical networks: readable references in PyTorch, and the CPU kernels behind
them."""

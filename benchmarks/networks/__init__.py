"""An epoch of training: ours beside eager PyTorch, JAX, torchdiffeq and diffrax."""

"""What networks score: integrators, changes, other models, other tasks."""

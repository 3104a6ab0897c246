"""The check of an objective that integrates an equation: its score as the step is
refined."""

from hpo.contract import Solved


def solve(accuracy, trained_steps):
    """Halve the step until two accuracies agree within 0.1 points; ``accuracy(steps)``
    tests."""
    steps, before = 2 * trained_steps, accuracy(2 * trained_steps)
    for _ in range(6):
        steps, score = 2 * steps, accuracy(2 * steps)
        if converged := abs(score - before) <= 0.001 + 1e-9:
            break
        before = score
    return Solved(
        score=score,
        converged=converged,
        steps_per_point=steps,
        trained_steps_per_point=trained_steps,
        remedy="Raise steps_per_point.",  # by the name that your Params have for it
    )

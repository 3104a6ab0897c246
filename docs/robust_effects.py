"""What each imperfection of studies/seqdigits-robust.toml costs: table of docs/how-to/robust.md.

``python docs/robust_effects.py`` trains the three networks of studies/robust-spread.toml from ten
seeds each, and scores every one of them, on its solved equation, on ideal hardware, with one
imperfection, and with all.
"""

from __future__ import annotations

import argparse
import statistics

from hpo.study import file
from objectives.contract import Protocol
from objectives.inspection import NetworkObjective
from objectives.scoring import Hardware
from objectives.solved_equation import refined
from objectives.tasks import load
from objectives.variability import Variability


def main() -> None:
    """Train, score and print the table, in per cent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    spec = file.load("robust-spread")
    assert spec.sweep is not None
    objective = spec.objective_impl
    assert isinstance(objective, NetworkObjective)
    table = file.load("seqdigits-robust").variability or {}
    draws = {"draws": table["draws"]}
    kinds = {name: {name: value} for name, value in table.items() if name != "draws"}
    print("| hardware |", " | ".join(curve.label for curve in spec.sweep.curves), "|")
    print("|---|" + "---|" * len(spec.sweep.curves))
    found: dict[str, list[str]] = {name: [] for name in ("ideal", *kinds, "all")}
    for curve in spec.sweep.curves:
        values = {**spec.fixed, **curve.fixed, "epochs": arguments.epochs}
        scores: dict[str, list[float]] = {name: [] for name in found}
        for seed in range(arguments.seeds):
            how = {"task": spec.task_params, "protocol": Protocol.CONFIRM, "member_seed": seed}
            member = objective.member(objective.Params(**values), **how)
            solved = member.train(lambda progress: None).solved
            assert solved is not None
            examples = load(spec.task_params, protocol=Protocol.CONFIRM, member_seed=seed).score
            for name in found:
                varied = {"ideal": {}, **kinds, "all": table}[name]
                steps = solved.trained_steps_per_point
                hardware = Hardware(Variability(**{**varied, **draws}), seed, steps)
                with refined(member.network, solved.steps_per_point):
                    scores[name].append(100 * hardware.accuracy(member.network, examples)[0])
        for name, all_seeds in scores.items():
            mean, std = statistics.mean(all_seeds), statistics.stdev(all_seeds)
            found[name].append(f"{mean:.1f} ± {std:.1f}")
    for name, cells in found.items():
        shown = f"`{name} = {table[name]}`" if name in table else name
        print(f"| {shown} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()

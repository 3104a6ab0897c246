"""Spoken digits beyond their study: speakers that training never hears, and
regularisation.

Networks of the parameters in ``docs/results/spoken-digits.json``. Each of six speakers
tests once, two at a time, beside the baselines. What regularises is compared on
validation parts, one for each seed, with the same network without.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hpo.contract import Protocol
from hpo.objectives import baselines
from hpo.objectives.data import SplitTaskParams
from hpo.objectives.hardware.variability import Variability
from hpo.study import file

ROOT = Path(__file__).parents[2]
SPEAKERS = (("george", "jackson"), ("lucas", "nicolas"), ("theo", "yweweler"))
SEEDS = range(3)
SEEN = {"draws": 1, "in_training": True}
REGULARISED: dict[str, dict[str, Any]] = {
    "none": {},
    "label smoothing": {"label_smoothing": None},
    "spread of tau and S by 20 %": {"tau_ns_spread": 0.2, "s_spread": 0.2},
    "input noise of 0.3": {"input_noise": 0.3},
    "mean effect in place of thermal noise": {
        "thermal_training": "mean",
        "thermal_span": 1.0,
    },
}
"""Changes; of the study's own smoothing there is none unless it is named."""
RESULTS = Path(__file__).with_name("spoken.jsonl")


def rows() -> Iterator[dict[str, Any]]:
    """Measure, one row for a network or a baseline."""
    spec = file.load(str(ROOT / "studies" / "spoken-digits.toml"))
    kept = json.loads(
        (ROOT / "docs" / "results" / "spoken-digits.json").read_text("utf-8")
    )
    assert spec.confirm is not None
    best = {**spec.fixed, **kept["best"][0]["params"], "epochs": spec.confirm.epochs}
    objective = spec.objective_impl
    units = baselines.units(objective.Params(**best))

    def score(
        params: dict[str, Any], task: Any, protocol: Protocol, seed: int
    ) -> float:
        outcome = objective.evaluate(
            objective.Params(**params),
            task=task,
            protocol=protocol,
            member_seed=seed,
            on_epoch=lambda _: None,
        )
        ideal = float(outcome.info.get("ideal_accuracy", outcome.score))
        return (
            outcome.solved.score
            if protocol is Protocol.CONFIRM and outcome.solved
            else ideal
        )

    for seed, speakers in itertools.product(SEEDS, SPEAKERS):
        task = spec.task_params.model_copy(update={"test_speakers": speakers})
        outcome = score(best, task, Protocol.CONFIRM, seed)
        yield {"what": "network", "test": speakers, "seed": seed, "score": outcome}
    for seed, (name, changes) in itertools.product(SEEDS, REGULARISED.items()):
        spread = {k: v for k, v in changes.items() if k in Variability.model_fields}
        own = {**best, "score_every": best["epochs"], "label_smoothing": 0.0, **changes}
        own = {k: v for k, v in own.items() if k not in spread}
        if own["label_smoothing"] is None:
            own["label_smoothing"] = best["label_smoothing"]
        if spread:
            own["variability"] = {**SEEN, **spread}
        outcome = score(own, spec.task_params, Protocol.VALIDATION, seed)
        yield {"what": name, "test": "validation", "seed": seed, "score": outcome}
    for held_out, n in itertools.product(
        ((), *SPEAKERS), (units, baselines.MOST_UNITS)
    ):
        task = spec.task_params.model_copy(update={"test_speakers": held_out})
        assert isinstance(task, SplitTaskParams)
        for one in baselines.classification(task, 0, n, readout="last+mean"):
            yield {"what": one.name, "test": held_out, "seed": 0, "score": one.score}


def run(say: Callable[[str], None]) -> None:
    """Measure, keep every row in ``RESULTS``, and say the means."""
    scores: dict[str, list[float]] = {}
    begun = RESULTS.with_suffix(".part")  # what is kept stays until all is measured
    with begun.open("w", encoding="utf-8") as to:
        for row in rows():
            to.write(json.dumps(row) + "\n")
            to.flush()
            say(
                f"  {row['what']}, {row['test']}, seed {row['seed']}:"
                f" {100 * row['score']:.1f} %"
            )
            scores.setdefault(f"{row['what']}, {row['test']}", []).append(row["score"])
    begun.replace(RESULTS)
    for name, values in scores.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        say(
            f"{name}: {100 * statistics.fmean(values):.1f} ± {100 * spread:.1f} %"
            f" ({len(values)})"
        )

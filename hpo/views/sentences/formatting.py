"""Text of scores, parameters, costs and durations."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hpo.contract import Baseline, Protocol
from hpo.study import effort
from hpo.study.dimensions import Dimension, split
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import NativeStudy, Phase, Trial

_SAME = ("ps", "ns", "us", "ms", "s", "min", "h", "nm", "um", "mm")
_UNITS = {name: name for name in _SAME} | {
    "hz": "Hz",
    "khz": "kHz",
    "mhz": "MHz",
    "ghz": "GHz",
    "thz": "THz",
    "aj": "aJ",
    "fj": "fJ",
    "pj": "pJ",
    "nj": "nJ",
    "uw": "µW",
    "mw": "mW",
    "mv": "mV",
    "ua": "µA",
    "ma": "mA",
    "mt": "mT",
    "ohm": "Ω",
    "um2": "µm²",
}
"""Units as people write them, by the endings of names."""
NOTHING = "–"
"""A cell of a table without a value."""


def plural(n: int, noun: str) -> str:
    """Count things.

    Examples:
        >>> plural(1, "network"), plural(1200, "trial")
        ('1 network', '1,200 trials')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def joined(parts: Iterable[str], separator: str = "; ") -> str:
    """Join the texts that are not empty."""
    return separator.join(filter(None, parts))


def shown(spec: StudySpec, score: float) -> float:
    """Convert a score to the unit of texts and axes: per cent for an accuracy."""
    return 100.0 * score if spec.is_accuracy else score


def per_cent(share: float, digits: int = 1) -> str:
    """Format a share in per cent, without the sign. A half is rounded up, as by hand.

    Floats lie beside halves: ``100 * 0.7915`` is 79.14999999999999.

    Examples:
        >>> per_cent(0.7915), per_cent(0.9345), per_cent(0.8983, 2)
        ('79.2', '93.5', '89.83')
    """
    if not math.isfinite(share):
        return str(share)
    exact = Decimal(f"{100.0 * share:.10f}")
    return str(exact.quantize(Decimal(10) ** -digits, ROUND_HALF_UP))


def score_text(spec: StudySpec, mean: float, std: float | None = None) -> str:
    """Format a score with its deviation: ``94.9 ± 0.7 %``, or ``0.0312 ± 0.0011``."""
    if std is None or not math.isfinite(std):
        text = f"{mean:.4g}"
        if spec.is_accuracy:
            text = f"{per_cent(mean)} %"
        return text
    if not spec.is_accuracy:
        return f"{mean:.4g} ± {std:.2g}"
    digits = 1
    if 0 < 100.0 * std < 0.1:
        digits = 2
    return f"{per_cent(mean, digits)} ± {per_cent(std, digits)} %"


def metric(spec: StudySpec) -> str:
    """Return the label of a score axis."""
    return "accuracy (%)" if spec.is_accuracy else spec.about.metric


def reported_text(spec: StudySpec) -> str:
    """Return ``reported 89.83 ± 2.91 % (arXiv:2408.02835)``; empty if nothing is
    reported."""
    if spec.reported is None:
        return ""
    text = f"reported {reported_number(spec)}"
    costs = spec.reported_costs("cost")
    if costs:
        text += f" at {quantities(costs)}"
    return f"{text} ({spec.reported.source})"


def reported_number(spec: StudySpec) -> str:
    """Return ``89.83 ± 2.91 %`` with the digits of the source; empty if nothing is
    reported."""
    reported = spec.reported
    if reported is None:
        return ""
    if not spec.is_accuracy:
        return score_text(spec, reported.score, reported.std)
    text = per_cent(reported.score, 2)
    if reported.std is not None:
        text += f" ± {per_cent(reported.std, 2)}"
    return f"{text} %"


def quantity(name: str, value: float) -> str:
    """Format a cost by its name, which carries its unit.

    Examples:
        >>> quantity("energy_pj", 12.345), quantity("n_synapses", 1010)
        ('12.3 pJ', '1,010 synapses')
    """
    if not name.startswith("n_"):
        return f"{amount(value)} {unit(name) or name}"
    if value == round(value):
        return f"{value:,.0f} {name[2:]}"
    return f"{value:,.4g} {name[2:]}"


def amount(value: float) -> str:
    """Format a cost without its unit: ``12.3``, ``2,896``."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def quantities(costs: Mapping[str, float]) -> str:
    """Format costs by their names: ``12.3 pJ, 1,010 synapses``."""
    return ", ".join(quantity(name, value) for name, value in costs.items())


def quantity_label(name: str) -> str:
    """Return the label of a cost at an axis or in the head of a table.

    Examples:
        >>> quantity_label("energy_pj"), quantity_label("n_synapses")
        ('energy (pJ)', 'synapses')
    """
    if name.startswith("n_"):
        return name[2:].replace("_", " ")
    suffix = unit(name)
    if not suffix:
        return name
    stem = name.rpartition("_")[0].replace("_", " ")
    return f"{stem} ({suffix})"


def baseline_text(spec: StudySpec, one: Baseline) -> str:
    """Format a baseline: ``ESN of 96 units, last state (85.0 ± 0.7 %)``."""
    return f"{one.name} ({score_text(spec, one.score, one.std)})"


def point_text(
    spec: StudySpec, score: float, std: float | None, costs: Sequence[float]
) -> str:
    """Format a score and its costs, if any: ``90.6 ± 0.9 % at 12.3 pJ``."""
    text = score_text(spec, score, std)
    if costs:
        text += f" at {quantities(spec.named_costs(costs))}"
    return text


def score_cell(spec: StudySpec, trial: Trial) -> str:
    """Format the score of a trial, with its costs if any; a dash without a score.

    A pruned trial has the last value of its learning curve: ``51.3 % after 5 of 60
    epochs``. A tested trial has both scores if the time step of every network was
    checked: ``94.4 %, 8.8 % solved``. A validated trial has one score.
    """
    if trial.score is None:
        return NOTHING
    text = point_text(spec, trial.score, None, trial.costs)
    how_far = after(spec, trial)
    if how_far:
        text += f" after {how_far}"
    validated = trial.phase == Phase.SEARCH and spec.protocol == Protocol.VALIDATION
    if trial.checked and not validated:
        text += f", {score_text(spec, statistics.fmean(trial.scores))} solved"
    return text


def after(spec: StudySpec, trial: Trial) -> str:
    """Return how far a pruned trial came: ``5 of 60 epochs``, ``1 of 4 networks``."""
    how = effort.ending(spec, trial)
    if how == effort.PruneReason.NETWORKS:
        return effort.networks_text(spec, effort.networks(spec, trial))
    if how is not None and trial.steps:
        return effort.epochs_text(spec, trial.steps[-1])
    return ""


def value_text(value: ParamValue | tuple[ParamValue, ...]) -> str:
    """Format a parameter's value: four digits, ``true`` and ``false`` as in a study
    file.

    Values per layer are a list, ``[3,5,8]``.
    """
    if isinstance(value, list | tuple):
        return f"[{','.join(map(value_text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def params_text(params: Mapping[str, Any], spec: StudySpec | None = None) -> str:
    """Return ``tau_ns=2.3 lr0=0.15``, in the order of the search space if there is a
    spec."""
    order = spec.parameters if spec else ()
    names = [name for name in order if name in params] or params
    return " ".join(f"{name}={value_text(params[name])}" for name in names)


def value_cell(value: ParamValue | None) -> str:
    """Format a value for a table: a dash if there is none."""
    return NOTHING if value is None else value_text(value)


def unit(parameter: str) -> str:
    """Return the unit in a parameter's name; empty if it has none.

    Examples:
        >>> unit("tau_ns.0"), unit("f_cut_per_ns"), unit("noise_per_sqrt_ns"), unit("s")
        ('ns', '1/ns', '1/√ns', '')
    """
    stem, _, last = split(parameter)[0].rpartition("_")
    if not stem or last not in _UNITS:
        return ""
    if stem.endswith("_per_sqrt"):
        return f"1/√{_UNITS[last]}"
    if stem.endswith("_per"):
        return f"1/{_UNITS[last]}"
    return _UNITS[last]


def capital(text: str) -> str:
    """Capitalise the first letter only."""
    return text[:1].upper() + text[1:]


def cut(text: str, length: int) -> str:
    """Cut a text to a length, with an ellipsis at the end if it was longer."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def last_line(message: str | None) -> str:
    """Return the last line of a message or traceback, which says most."""
    lines = (message or "").strip().splitlines()
    return lines[-1].strip() if lines else "no reason was stored"


def parameter_label(name: str) -> str:
    """Return the label of a parameter at an axis, with its unit if it has one."""
    suffix = unit(name)
    return f"{name} ({suffix})" if suffix else name


def parameter_lines(params: Mapping[str, ParamValue]) -> list[str]:
    """Return a line per parameter, with units."""
    return [
        f"{name} = {value_text(v)} {unit(name)}".rstrip() for name, v in params.items()
    ]


def duration_text(seconds: float) -> str:
    """Format a duration in its two largest units: ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def beginning_text(spec: StudySpec) -> str:
    """Describe where a search begins; or nothing."""
    return "; ".join(filter(None, [_warm_start_text(spec), transfer_text(spec)]))


def _warm_start_text(spec: StudySpec) -> str:
    """Describe the warm start: ``trials 0 to 4 begin with the best of seqdigits``; or
    nothing."""
    warm = spec.warm_start
    if warm is None:
        return ""
    last = min(warm.count, spec.budget.trials) - 1
    text = "trial 0 begins"
    if last:
        text = f"trials 0 to {last} begin"
    if warm.study:
        return f"{text} with the best of {warm.study}"
    reported = spec.reported_params
    if reported and reported.items() <= spec.warm_start_params(0).items():
        return f"{text} with the reported point"
    return f"{text} with points of the file"


def transfer_text(spec: StudySpec) -> str:
    """Describe what the search learns from: ``the search learns from 44 trials of
    columns``; or nothing."""
    parts = [
        f"{plural(len(source.trials), 'trial')} of {source.study}"
        for source in spec.sources
    ]
    return f"the search learns from {' and '.join(parts)}" if parts else ""


def function_text(spec: StudySpec) -> str:
    """Name the function of a study, or that it is asked and told, and say what is best:
    ``/code/train.py, function objective: minimize value``."""
    values = []
    for name, direction in zip(spec.metrics or (), spec.directions or (), strict=True):
        values.append(f"{direction} {name}")
    what = spec.objective
    if spec.is_function:
        what = f"{spec.script.path}, function {spec.script.function}"
    return f"{what}: {', '.join(values)}"


def per_trial(spec: StudySpec) -> str:
    """Say what a trial consists of: ``3 networks per trial, 60 epochs each``, or of a
    function ``1 call per trial``."""
    members = spec.budget.seeds
    if spec.is_ask_and_tell:
        return "1 value per trial"
    if spec.defines_by_run:
        return f"{plural(members, 'call')} per trial"
    return f"{plural(members, 'network')} per trial, {spec.planned_epochs} epochs each"


def repeats_name(spec: StudySpec) -> str:
    """Name what a confirmation varies: ``fresh seeds``, or nothing but time."""
    if spec.is_ask_and_tell:
        return "repetitions"
    return "fresh seeds"


def condition_text(dimension: Dimension) -> str:
    """Describe the condition of a dimension: ``if layers = 2 or 3``; empty without
    one."""
    if not dimension.when:
        return ""
    each = []
    for name, values in dimension.when.items():
        each.append(f"{name} = {' or '.join(map(str, values))}")
    return f"if {', '.join(each)}"


def native_text(study: NativeStudy) -> str:
    """Describe a study of Optuna: ``40 trials finished, 2 running, best value
    0.12``."""
    text = f"{plural(study.finished, 'trial')} finished"
    if study.running:
        text += f", {study.running:,} running"
    if study.best_value is not None:
        text += f", best value {study.best_value:.4g}"
    return text

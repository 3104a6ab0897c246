"""What is run for which figure, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hpo.contract import Protocol
from hpo.errors import HpoError
from hpo.objectives.hardware.physics import n_synapses
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, StudySnapshot
from reproduction import readings

TIMES_NS = (4.0, 2.5, 1.6, 1.0, 0.63, 0.4, 0.25, 0.16, 0.1)
"""Time scales of Fig. 2(b) on other splits: without those that are dear, and far from
the best."""
SHIFT_TIMES_NS = (2.5, 1.6, 1.0, 0.63, 0.4, 0.2)
"""The same of Fig. 3(a, b)."""
SPLITS = tuple(range(1, 8))
"""Splits of the images at which the point at 1 ns is measured again; the figures have
split 0."""
WHOLE_SPLITS = readings.SPLITS
"""Those of them at which the figures are measured again, their dear and clear ends left
out."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A study that is run to its end."""

    name: str
    study: str
    """Its study file: a name, or a path."""
    figure: str
    """What it is run for: a value of FIG."""
    overrides: tuple[str, ...] = ()
    split: int = 0
    """Of the images."""
    reading: str = ""
    """The reading of the paper that it belongs to, if it is one of spintronic networks'
    figures."""
    is_broad: bool = False
    """Whether its points are a broad set, as those of Fig. 3(c)."""

    @cached_property
    def declared(self) -> StudySpec:
        """Its spec."""
        return self.spec()

    def spec(self, more: Sequence[str] = ()) -> StudySpec:
        """Its spec, with further ``key=value`` overrides."""
        return file.load(
            self.study, overrides=[*self.overrides, *more], values={"name": self.name}
        )


def split_of(study: str, split: int) -> str:
    """Name of the study that measures ``study`` on another split."""
    return f"{study}-split{split}" if split else study


def _on_split(study: str, split: int, times_ns: tuple[float, ...] = ()) -> Job:
    """A figure on another split, at some of its time scales or at all its points."""
    overrides = [f"task.split_seed={split}"]
    if times_ns:
        sweep = file.load(study).sweep
        assert sweep is not None
        curves = [
            curve.model_copy(update={"values": times_ns}) for curve in sweep.curves
        ]
        overrides.append(readings.curves_override(curves))
    return Job(
        name=split_of(study, split),
        study=study,
        figure=f"{study}-splits",
        overrides=tuple(overrides),
        split=split,
        reading=_plain(study),
    )


def _plain(study: str) -> str:
    return "" if study == "fig2b-ctrnn" else readings.PLAIN.name


def _own(name: str) -> str:
    """Return the path of a study that only the reproduction runs."""
    return str(Path(__file__).with_name(f"{name}.toml"))


def _jobs() -> Iterator[Job]:
    for study in ("fig2b", "fig2b-ctrnn", "fig3a", "fig3b", "fig3c", "fig4"):
        yield Job(
            name=study,
            study=study,
            figure=study,
            reading=_plain(study),
            is_broad=study == "fig3c",
        )
    yield Job(name="seqdigits-ctrnn", study=_own("seqdigits-ctrnn"), figure="search")
    yield Job(name="seqdigits-tpe", study=_own("seqdigits-tpe"), figure="search")
    yield Job(
        name="seqdigits-single",
        study=_own("seqdigits-tpe"),
        figure="search",
        overrides=("protocol=search_on_test", "budget.seeds=1", "confirm.epochs=40"),
    )
    for study in ("fig2b", "fig2b-ctrnn"):
        for split in SPLITS:
            yield _on_split(study, split, TIMES_NS if split in WHOLE_SPLITS else (1.0,))
    for split in WHOLE_SPLITS:
        yield _on_split("fig4", split)
        for study in ("fig3a", "fig3b"):
            yield _on_split(study, split, SHIFT_TIMES_NS)
    for reading in (*readings.OTHERS, *readings.COMBINED):
        for part in readings.parts(reading):
            yield Job(
                name=part.name,
                study="fig2b",
                figure=reading.name,
                overrides=part.overrides,
                split=part.split,
                reading=reading.name,
                is_broad=part.is_broad,
            )


JOBS = tuple(_jobs())
FIGURES = tuple(dict.fromkeys(job.figure for job in JOBS))


def chosen(figure: str | None) -> list[Job]:
    """The jobs of a figure, or the study of this name; of None, all.

    Raises:
        HpoError: there is no such figure.
    """
    alone = [job for job in JOBS if job.name == figure]
    if alone and figure not in FIGURES:
        return alone
    if figure is not None and figure not in FIGURES:
        raise HpoError(
            f"FIG={figure}: expected a figure of the reproduction"
            f" ({', '.join(FIGURES)}), got {figure!r}. Leave FIG out to run all."
        )
    return [job for job in JOBS if figure in (None, job.figure)]


def epochs_of(spec: StudySpec, done: StudySnapshot | None) -> float:
    """Epochs of training that are left, in units of the paper's network at 1 ns.

    The cost of an epoch is taken to be affine in the number of synapses, and
    proportional to the integration steps of a point: at 20 ns there are twenty times as
    many. What is pruned, or half done, is counted in full; the check of the time step
    is not counted.
    """
    settled = {slot.number for slot in done.search if slot.members} if done else set()
    total = 0.0
    for number in range(spec.budget.trials):
        if number not in settled:
            params = spec.point(number) if spec.sweep is not None else {}
            total += spec.budget.seeds * spec.budget.epochs * _weight(spec, params)
    if spec.confirm is not None:
        wanted = spec.confirm.top * spec.confirm.seeds
        finished = (
            sum(slot.phase == Phase.CONFIRM for slot in done.confirm) if done else 0
        )
        left = wanted - min(wanted, finished)
        total += left * spec.confirm_epochs * _weight(spec, {})
    return total


def _weight(spec: StudySpec, params: Mapping[str, object]) -> float:
    """Cost of an epoch against that of the paper's network at 1 ns, by the default
    step."""
    default = spec.objective_impl.Params().model_dump()
    values = {**default, **spec.fixed, **params}
    sizes = {
        name: values[name]
        for name in ("layers", "width", "density_inter", "density_intra")
    }
    return (
        (0.4 + 0.6 * n_synapses(**sizes) / 2896) * _n_steps(values) / _n_steps(default)
    )


def _n_steps(values: Mapping[str, Any]) -> int:
    """Integration steps per point."""
    from hpo.objectives.networks.integrators import Stepping

    names = ("point_ns", "steps_per_point", "max_step_ns")
    return Stepping(**{name: values[name] for name in names}).n_steps


def seconds_per_epoch(spec: StudySpec) -> float:
    """What such an epoch takes one core of this machine, tried for a moment."""
    import torch

    torch.set_num_threads(1)
    params = spec.params({"point_ns": 1.0} if spec.sweep else {}, epochs=4)
    marks: list[float] = []
    spec.objective_impl.evaluate(
        params,
        task=spec.task_params,
        protocol=Protocol.CONFIRM,
        member_seed=0,
        on_epoch=lambda progress: marks.append(time.monotonic()),
    )
    return (
        (marks[-1] - marks[0]) / (len(marks) - 1) / _weight(spec, params.model_dump())
    )

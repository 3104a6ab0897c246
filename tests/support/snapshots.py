"""Synthetic snapshots for tests of everything that shows a study."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from searches import reported
from workers import toy_spec

from hpo.contract import Outcome, Solved, Thermal, Tolerance, Tolerances
from hpo.contract.facts import member_info
from hpo.study.networks import Member
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import (
    Amendment,
    Phase,
    SlotState,
    StudySnapshot,
    StudyState,
    Trial,
    WorkerInfo,
)

START = datetime(2025, 3, 1, 9, 0, tzinfo=UTC)
EPOCHS = 30

SPEC: dict[str, Any] = {
    "description": "A toy reads digits.",
    "seed": 7,
    "budget": {"trials": 60, "seeds": 3, "epochs": EPOCHS},
    "fixed": {"noise": 0.02},
    "sampler": {"name": "tpe", "n_startup_trials": 12},
    "pruner": {"name": "median"},
    "confirm": {"top": 2, "seeds": 10, "epochs": 60},
    "reported": {
        "score": 0.8983,
        "std": 0.0291,
        "n": 10,
        "source": "arXiv:2408.02835",
        "params": {"x": 0.5, "rate_per_ns": 0.07, "colour": "red"},
    },
}


def spec(**changes: Any) -> StudySpec:
    """The toy study's spec with some top-level keys changed; a key given as None is
    left out."""
    return toy_spec("toy-study", **{**SPEC, **changes})


def unchecked(**changes: Any) -> StudySpec:
    """The same without the rules of the objective: hostile texts, options of any
    kind."""
    return StudySpec.model_validate_json(json.dumps({**spec().stored(), **changes}))


def member(
    index: int, curve: tuple[float, ...], *, score: float | None = None
) -> Member:
    """A trained network."""
    return Member(
        member=index,
        seed=1000 + index,
        score=curve[-1] if score is None else score,
        epochs=len(curve),
        curve=curve,
        scored_at=tuple(range(1, len(curve) + 1)),
        loss_curve=tuple(1.0 - value for value in curve),
        diverged=False,
        info={"n_synapses": 4192},
        seconds=40.0,
    )


def slot(number: int, state: SlotState, **changes: Any) -> Trial:
    """A search slot with plausible defaults."""
    values: dict[str, Any] = {
        "phase": Phase.SEARCH,
        "number": number,
        "source": None,
        "state": state,
        "params": {"x": 0.4, "k": 3, "rate_per_ns": 0.02, "colour": "red"},
        "score": 0.9 if state == SlotState.COMPLETE else None,
        "steps": (),
        "members": (),
        "attempts": 1,
        "losses": 0,
        "worker": "host-a-1",
        "started_at": START + timedelta(minutes=2 * number),
        "finished_at": START + timedelta(minutes=2 * number + 5),
        "message": None,
        "lineage": {
            "spec_hash": "0123456789abcdef",
            "revision": "1358058",
            "dirty": False,
            "versions": {"torch": "2.9.0", "numpy": "2.3.5"},
            "host": "host-a" if number % 3 else "host-b",
            "cpu": "AMD EPYC 7763",
            "seconds": 120.0 + number,
        },
    }
    return Trial(**{**values, **changes})


def confirmation(source: int, index: int, score: float | None, **changes: Any) -> Trial:
    """One fresh seed of a confirmation; without a score, a failed one."""
    state = SlotState.FAILED if score is None else SlotState.COMPLETE
    trained = replace(member(index, (score or 0.0,)), epochs=60, curve=(), scored_at=())
    members = () if score is None else (trained,)
    values = {
        "phase": Phase.CONFIRM,
        "source": source,
        "score": score,
        "members": members,
        "message": "RuntimeError: no" if score is None else None,
        **changes,
    }
    return slot(source * 10 + index, state, **values)


def amendment(state: SlotState, **changes: Any) -> Amendment:
    """Return an exclusion of a trial that had ended in this state."""
    facts: dict[str, Any] = {
        "what": "exclude",
        "since": 1,
        "at": "2025-03-01T09:00:00+00:00",
    }
    facts |= {"host": "a", "score": 0.5, "steps": (), "attrs": {}, "message": None}
    return Amendment(state=state, **{**facts, **changes})


def solved(score: float, **changes: Any) -> Solved:
    """Return the result of a check of the time step."""
    facts: dict[str, Any] = {
        "converged": True,
        "steps_per_point": 128,
        "trained_steps_per_point": 1,
        "remedy": "Lower max_step_ns.",
    }
    return Solved(score=score, **{**facts, **changes})


def solved_info(check: Solved) -> dict[str, Any]:
    """Return this result as stored in a member's ``info``."""
    return member_info(Outcome(score=check.score, solved=check))


def thermal(**changes: Any) -> Thermal:
    """Return the result of a check of the thermal power, of a warm network with 93.0
    %."""
    facts: dict[str, Any] = {
        **{"power": 1e-3, "device_power": 1e-3, "holds_below": 3e-3},
        **{"at_device": 0.93, "third": 0.931, "triple": 0.929, "none": 0.7},
        "noisy": (0.925, 0.935) * 5,
    }
    return Thermal(**{**facts, **changes})


def tolerances(amount: float = 0.04, **changes: Any) -> Tolerances:
    """Return tolerances of a network that has little patience with a delay."""
    facts: dict[str, Any] = {
        **{"score": 0.93, "loss": 0.01, "chips": 2, "series": 600},
        "limits": {
            "coupling_delay_ns": Tolerance(amount=amount),
            "weight_bits": Tolerance(amount=100 * amount + 1),
            "gain_error": Tolerance(amount=0.0025, found="lost"),
            "tau_ns_spread": Tolerance(amount=0.64, found="kept"),
        },
        "ranges": {
            "drive": (0.0, 0.2, 1.0, 2.0, 2.5, 2.9, 3.0),
            "x": (1e-3, 1e-2, 0.1, 0.4, 0.6, 0.8, 0.9),
        },
    }
    return Tolerances(**{**facts, **changes})


def snapshot(
    study: StudySpec,
    search: tuple[Trial, ...] = (),
    confirm: tuple[Trial, ...] = (),
    **changes: Any,
) -> Result:
    """The result of a study of some trials."""
    values: dict[str, Any] = {
        "spec": study,
        "state": StudyState.OPEN,
        "reason": None,
        "created_at": START,
        "now": START + timedelta(hours=3),
        "search": search,
        "confirm": confirm,
    }
    return Result.of(StudySnapshot(**{**values, **changes}))


def worker(name: str = "toy-study@host-1", **changes: Any) -> WorkerInfo:
    """A living worker."""
    values: dict[str, Any] = {
        "name": name,
        "host": "host",
        "pid": 1234,
        "doing": "waiting [for] trial 3",
        "started_at": START,
        "seconds_silent": 3.0,
        "alive": True,
    }
    return WorkerInfo(**{**values, **changes})


FEW_TRIALS: dict[str, tuple[Trial, ...]] = {
    "empty": (),
    "running": (slot(0, SlotState.RUNNING, params={}, lineage={}, finished_at=None),),
    "one": (slot(0, SlotState.COMPLETE),),
    "nan": (slot(0, SlotState.COMPLETE, score=math.nan),),
    "pruned without score": (slot(0, SlotState.PRUNED),),
    "all failed": tuple(slot(i, SlotState.FAILED, params={}) for i in range(3)),
}
"""Searches with few trials."""


def realistic(study: StudySpec, *, confirmed: bool = True, seed: int = 0) -> Result:
    """A finished study as a search would leave it: better with time, some curves cut
    short."""
    generator = random.Random(seed)
    search = tuple(
        _trial(study, number, generator) for number in range(study.budget.trials)
    )
    plain = snapshot(study, search, state=StudyState.DONE)
    fresh = []
    if confirmed and study.confirm is not None:
        for source in plain.ranking[: study.confirm.top]:
            for index in range(study.confirm.seeds):
                score = min(
                    0.995, (source.score or 0.0) + generator.gauss(-0.006, 0.007)
                )
                fresh.append(confirmation(source.number, index, score))
    return changed(plain, confirm=tuple(fresh))


def changed(result: Result, **changes: Any) -> Result:
    """The same study at another moment."""
    return Result.of(replace(result.snapshot, **changes))


def _trial(study: StudySpec, number: int, generator: random.Random) -> Trial:
    skill = min(1.0, number / study.budget.trials + 0.15)
    spread = 0.5 * (1.05 - skill)
    places = {n: min(1.0, max(0.0, generator.gauss(0.45, spread))) for n in study.space}
    params = {name: _value(study, name, place) for name, place in places.items()}
    lost = math.fsum(0.7 * abs(place - 0.45) ** 2.2 for place in places.values())
    reach = max(0.1, 0.955 - lost + generator.gauss(0.0, 0.004))
    started = START + timedelta(minutes=2 * number)
    times: dict[str, Any] = {"started_at": started, "params": params}
    if generator.random() < 0.03:
        message = (
            "Traceback (most recent call last):\n  ...\nValueError: tau_ns is too short"
        )
        return slot(number, SlotState.FAILED, message=message, **times)
    curves = [
        _curve(reach, study.budget.epochs, generator) for _ in range(study.budget.seeds)
    ]
    if number >= 8 and reach < 0.85 and generator.random() < 0.8:
        stop = max(
            1, generator.randint(study.budget.epochs // 4, study.budget.epochs - 1)
        )
        steps = reported(*curves[0][:stop])
        message = f"cut short at {stop}"
        times |= {"steps": steps, "score": steps[-1].score, "message": message}
        finished = started + timedelta(minutes=1 + 3 * stop / study.budget.epochs)
        return slot(number, SlotState.PRUNED, finished_at=finished, **times)
    members = tuple(member(i, curve) for i, curve in enumerate(curves))
    score = math.fsum(m.score for m in members) / len(members)
    finished = started + timedelta(minutes=generator.uniform(5, 9))
    return slot(
        number,
        SlotState.COMPLETE,
        score=score,
        members=members,
        finished_at=finished,
        **times,
    )


def _value(study: StudySpec, name: str, place: float) -> ParamValue:
    """The value of a parameter at a place, 0 to 1, of its range."""
    dimension = study.space[name]
    if dimension.choices is not None:
        return dimension.choices[round(place * (len(dimension.choices) - 1))]
    low, high = float(dimension.low or 0), float(dimension.high or 0)
    value = low * (high / low) ** place if dimension.log else low + (high - low) * place
    return round(value) if study.is_integer(name) else value


def _curve(reach: float, epochs: int, generator: random.Random) -> tuple[float, ...]:
    pace = generator.uniform(2.0, 5.0)
    target = reach + generator.gauss(0.0, 0.006)
    return tuple(
        min(
            1.0,
            max(
                0.0,
                0.1
                + (target - 0.1) * (1 - math.exp(-e / pace))
                + generator.gauss(0, 0.004),
            ),
        )
        for e in range(1, epochs + 1)
    )

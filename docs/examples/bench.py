"""A measurement as an objective: the worker at the instrument measures what a trial
asks for."""

import json
import math
import random
import time
from typing import Annotated, Literal

from pydantic import Field

from hpo.contract import (
    Objective,
    ObjectiveParams,
    Outcome,
    Progress,
    TaskParams,
    UnavailableError,
)


class Bench:
    """Stands in for a spin-torque oscillator: put the calls of your driver here."""

    def __init__(self, address):
        """Connect to the instrument."""
        if address != "simulated":
            raise UnavailableError(f"no instrument at {address}")

    def set(self, current_ma, field_mt):
        """Set the bias, and wait until it is stable."""
        self.power_nw = 40 * math.exp(
            -((current_ma - 6) ** 2) / 8 - ((field_mt - 210) / 90) ** 2
        )
        time.sleep(0.05)

    def read(self):
        """Measure the emitted power once, in nW."""
        return random.gauss(self.power_nw, 2)

    def close(self):
        """Leave the device safe: no current."""


class BenchTask(TaskParams):
    """The ``[task]`` table: which instrument."""

    name: Literal["bench"] = "bench"
    address: str = "simulated"


class BenchParams(ObjectiveParams):
    """What a trial sets; ``epochs`` is the number of readings."""

    current_ma: Annotated[
        float, Field(ge=0, le=10, description="bias current, in mA")
    ] = 5.0
    field_mt: Annotated[
        float, Field(ge=0, le=500, description="magnetic field, in mT")
    ] = 200.0


class BenchObjective(Objective):
    """The mean of some readings of the emitted power."""

    name, Params, tasks = "bench", BenchParams, {"bench": BenchTask}
    metric, direction = "power_nw", "maximize"

    def evaluate(self, params, *, task, protocol, member_seed, on_epoch, resume=None):
        """Set the bias, read ``epochs`` times, and return the mean."""
        bench = Bench(task.address)
        readings = [] if resume is None else json.loads(resume)

        def checkpoint():
            return json.dumps(readings).encode()

        try:
            bench.set(params.current_ma, params.field_mt)
            while len(readings) < params.epochs:
                readings.append(bench.read())
                mean = sum(readings) / len(readings)
                on_epoch(
                    Progress(epoch=len(readings), score=mean, checkpoint=checkpoint)
                )
        finally:  # after the last reading, on Ctrl-C, and after an error
            bench.close()
        return Outcome(score=mean)

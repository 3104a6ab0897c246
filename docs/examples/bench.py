"""Measure a trial that `hpo ask` has printed; print what `hpo tell` takes."""

import json
import math
import random
import statistics
import sys


def read_power_nw(current_ma, field_mt):
    """Stand in for a spin-torque oscillator: put the calls of your driver here."""
    detuning = (current_ma - 6) ** 2 / 8 + ((field_mt - 210) / 90) ** 2
    return random.gauss(40 * math.exp(-detuning), 2)


def measure(params):
    """Return the mean power of five readings, in nW, and its standard deviation."""
    readings = [read_power_nw(**params) for _ in range(5)]
    return statistics.fmean(readings), statistics.stdev(readings) / math.sqrt(5)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    power_nw, sd = measure(asked["params"])
    print(asked["trial"], power_nw, "--sd", sd)

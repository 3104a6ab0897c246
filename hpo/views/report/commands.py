"""The commands that show what a file cannot hold: the database has it."""

from __future__ import annotations

import shlex

from hpo.study.result import Result
from hpo.views.report.html import Section, Table, code
from objectives.inspection import NetworkObjective


def commands(result: Result) -> Section:
    """How to see traces, network, files, trials and dashboard of a study, as far as it has them."""
    name = shlex.quote(result.spec.name)
    found = {"hpo dashboard --open": "all studies in the browser, as they go on"}
    if result.best and isinstance(result.spec.objective_impl, NetworkObjective):
        found[f"hpo trace {name} --open"] = "time series of the neurons of its best network"
        found[f"hpo export {name} --network best.safetensors"] = "this network, for PyTorch"
    found[f"hpo trials {name}"] = "every trial, as a table"
    rows = [[code(command), what] for command, what in found.items()]
    table = Table(caption="Commands", head=["command", "shows"], rows=rows, css="")
    note = "Where the study is stored (else with --storage URL):"
    return Section(name="commands", title="See more", note=note, parts=[table])

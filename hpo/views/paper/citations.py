"""BibTeX of what a study rests on: this software by its revision, the papers of its
device, of its task and of its search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

from hpo.study.result import Result
from hpo.views.paper.latex import escape
from hpo.views.records import json_records

SOFTWARE = "hpo-dynamics"
"""The key of this software, and the name of its distribution."""
_OBJECTIVES: Mapping[str, Sequence[str]] = {
    "spintronic": ("plouet2025",),
    "spintronic-prediction": ("plouet2025",),
    "ctrnn": ("plouet2025",),
    "ctrnn-prediction": ("plouet2025",),
    "duffing": ("coulombe2017",),
    "microring": ("tait2019",),
}
_TASKS: Mapping[str, Sequence[str]] = {
    "sequential-digits": ("alpaydin1998",),
    "mnist-1d": ("greydanus2020",),
    "fashion-mnist": ("xiao2017",),
    "mackey-glass": ("mackey1977",),
    "narma10": ("atiya2000",),
    "spoken-digits": ("fsdd",),
    "ucr": ("dau2018", "bagnall2018"),
}
_SAMPLERS: Mapping[str, Sequence[str]] = {
    "tpe": ("bergstra2011",),
    "nsga2": ("deb2002",),
    "kriging-believer": ("ginsbourger2010",),
}
_OPTUNA = ("akiba2019",)
_PYTORCH = ("paszke2019",)


def keys(result: Result) -> list[str]:
    """Return the keys of what to cite, this software first."""
    spec = result.spec
    found = [SOFTWARE, *_OPTUNA]
    if spec.has_class:
        found += _PYTORCH
        found += _OBJECTIVES.get(spec.objective, ())
        found += _TASKS.get(spec.about.task.name, ())
    if not spec.curves:
        found += _SAMPLERS.get(spec.sampler.name, ())
    return list(dict.fromkeys(found))


def missing(result: Result) -> list[str]:
    """Name what has no reference here."""
    spec = result.spec
    if not spec.has_class:
        return [f"a reference of the objective {spec.objective}"]
    names = []
    if spec.objective not in _OBJECTIVES:
        names.append(f"a reference of the objective {spec.objective}")
    if spec.about.task.name not in _TASKS:
        names.append(f"a reference of the data (task {spec.about.task.name})")
    return names


def bibliography(result: Result) -> str:
    """Return the entries of ``keys`` in BibTeX."""
    known = entries()
    others = [known[key] for key in keys(result) if key != SOFTWARE]
    return "\n\n".join([software(result), *others]) + "\n"


def software(result: Result) -> str:
    """Return the entry of this software, with the version and the revision of the
    trials."""
    about = metadata.metadata(SOFTWARE)
    lineage = json_records.lineage(result)
    version = lineage.get("versions.hpo-dynamics", "")
    fields = {
        "author": f"{{{about['Author']}}}",
        "title": about["Name"],
        "version": version,
        "note": f"revision {lineage['revision']}" if "revision" in lineage else "",
    }
    lines = [
        f"  {name} = {{{escape(value) if name != 'author' else value}}}"
        for name, value in fields.items()
        if value
    ]
    return f"@misc{{{SOFTWARE},\n" + ",\n".join(lines) + "\n}"


def known() -> set[str]:
    """Return all keys that a study may cite, but for this software."""
    tables = (*_OBJECTIVES.values(), *_TASKS.values(), *_SAMPLERS.values())
    return {key for table in tables for key in table} | {*_OPTUNA, *_PYTORCH}


@cache
def entries() -> dict[str, str]:
    """Return the known entries by their keys."""
    text = Path(__file__).with_name("references.bib").read_text(encoding="utf-8")
    found = {}
    for entry in text.strip().split("\n\n"):
        key = entry.partition("{")[2].partition(",")[0]
        found[key] = entry
    return found

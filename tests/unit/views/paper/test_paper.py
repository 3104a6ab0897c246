"""The folder for a paper: what it holds, that LaTeX reads it, and that nothing in it is
guessed."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import fronts
import pytest
import snapshots
from required import program

from hpo.contract import Baseline, Outcome
from hpo.contract.facts import member_info
from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.views import paper
from hpo.views.figures.networks import Confusion
from hpo.views.paper import citations, latex, methods

ROOT = Path(__file__).parents[4]
KEPT = Confusion(
    classes=["a", "b"], read_as=["a", "b", ""], counts=[[8, 2, 0], [0, 9, 1]]
)


def finished() -> Result:
    """A finished study with baselines and tolerances."""
    found = snapshots.realistic(snapshots.spec(description="Names: a_b, 5 % & more."))
    info = member_info(Outcome(score=0.9, tolerances=snapshots.tolerances()))
    fresh = []
    for trial in found.confirm:
        members = tuple(replace(member, info=info) for member in trial.members)
        fresh.append(replace(trial, members=members))
    esn = Baseline(name="ESN_of 96 units", score=0.91, std=0.007, n=5, tried=12)
    return snapshots.changed(found, confirm=tuple(fresh), baselines=(esn,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of such a study."""
    where = tmp_path_factory.mktemp("paper")
    paper.write(finished(), where, (), KEPT)
    return where


def test_every_figure_of_the_report_is_there_in_three_formats(folder: Path) -> None:
    names = {path.name for path in (folder / "figures").iterdir()}
    for name in (
        "convergence",
        "parameters-rate_per_ns",
        "parallel",
        "importance",
        "curves",
        "confirmed",
        "tolerances",
        "confusion",
    ):
        assert {f"{name}.pdf", f"{name}.svg", f"{name}.png"} <= names


def test_tables_have_as_many_cells_in_each_row(folder: Path) -> None:
    for name in ("result", "parameters", "tolerances"):
        text = (folder / f"{name}.tex").read_text()
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
        (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
        rows = [line for line in text.splitlines() if line.endswith(r" \\")]
        assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(columns)}
    assert (
        r"ESN\_of 96 units & 91.0 $\pm$ 0.7 \% & 5 & 12"
        in (folder / "result.tex").read_text()
    )


def test_the_document_compiles(folder: Path) -> None:
    pdflatex = program("pdflatex")
    command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    for step in (command, [program("bibtex"), "document"], command):
        done = subprocess.run(step, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]
    log = (folder / "document.log").read_text(errors="replace")
    assert "Citation" not in log.partition("Output written")[0].rpartition("bbl")[2]
    assert (folder / "document.pdf").read_bytes().startswith(b"%PDF")


def test_methods_name_search_budget_seeds_hashes_and_versions() -> None:
    found = finished()
    told = " ".join(methods.sentences(found))
    for part in (
        "tpe (n_startup_trials = 12), had 60 trials and the seed 7, from which",
        "trial k was suggested from trials 0 to k - 4",
        "rate_per_ns (1/ns) 0.001 to 10 (log)",
        "evaluated again on 10 fresh seeds (60 epochs",
        "95.4 ± 0.6 % on 10 fresh seeds",
        f"The study file has the hash {found.spec.hash}",
        "Revision of the software: 1358058",
        "Versions: numpy 2.3.5, torch 2.9.0",
    ):
        assert part in told
    budget = found.spec.budget.model_copy(update={"clock": True})
    clocked = found.spec.model_copy(update={"budget": budget})
    by_clock = replace(found, snapshot=replace(found.snapshot, spec=clocked))
    told_by_clock = " ".join(methods.sentences(by_clock))
    assert "had ended when it began on 4 virtual workers, in a time" in told_by_clock
    assert ". ." not in told, "nothing is said of drives that are operated"


@pytest.mark.parametrize(
    ("device", "source"),
    [
        ("vortex-mtj", "Torrejon et al., Nature 547, 428 (2017)"),
        ("lab.toml:stno", "lab.toml:stno: a table of the user's."),
    ],
)
def test_the_device_has_its_source(device: str, source: str) -> None:
    found = snapshots.snapshot(snapshots.unchecked(device=device))
    assert source in " ".join(methods.sentences(found))


def test_what_is_missing_is_named_and_not_invented() -> None:
    trial = snapshots.slot(0, SlotState.COMPLETE, lineage={"dirty": True})
    found = snapshots.snapshot(snapshots.spec(reported=None), (trial,))
    assert methods.missing(found) == [
        "the end of the study",
        "a confirmed score",
        "baselines",
        "a reported score",
        "tolerances of hardware",
        "the revision of the software",
        "a revision without local changes",
        "a hash of the objective's source",
        "a reference of the objective toy_objective:ToyObjective",
        "a reference of the data (task toy)",
    ]
    assert "Revision" not in " ".join(methods.sentences(found))
    assert "revision" not in citations.software(found)


def test_the_software_is_cited_as_the_repository_says_by_the_trials_revision() -> None:
    cff = (ROOT / "CITATION.cff").read_text()
    about = metadata.metadata("hpo-dynamics")
    assert f"title: {about['Name']}\n" in cff
    assert f"- name: {about['Author']}\n" in cff
    entry = citations.software(finished())
    assert "note = {revision 1358058}" in entry
    assert "author = {{The hpo-dynamics developers}}" in entry


def test_every_reference_exists() -> None:
    known = citations.known()
    assert known <= citations.entries().keys()


def test_text_that_latex_would_run_stays_text() -> None:
    assert latex.escape(r"\input{x} 5 % -3 1e-3") == (
        r"\textbackslash{}input\{x\} 5 \% $-$3 1e-3"
    )


@pytest.mark.parametrize(
    ("found", "has_table"),
    [(snapshots.snapshot(snapshots.spec(reported=None)), False), (fronts.both(), True)],
    ids=["empty", "front"],
)
def test_any_study_makes_a_folder(
    found: Result, has_table: bool, tmp_path: Path
) -> None:
    written = paper.write(found, tmp_path)
    assert all(path.stat().st_size for path in written)
    assert (tmp_path / "result.tex").exists() == has_table
    assert "Not known: " in (tmp_path / "methods.md").read_text()

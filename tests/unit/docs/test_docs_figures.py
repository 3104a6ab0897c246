"""A figure is the same wherever it stands, and that of its stored result."""

from __future__ import annotations

import csv
import json
import re
import statistics
import sys
import tomllib
from typing import Any

import pytest
from stack import ROOT

from hpo import config
from hpo.console import COMMANDS
from hpo.ledger import failures, schema
from hpo.ledger.statements import claims
from hpo.objectives import baselines
from hpo.objectives.baselines import reservoir
from hpo.objectives.baselines.prediction import PENALTIES
from hpo.objectives.data import advice
from hpo.postgres import connect
from hpo.search import constraints, gaussian_process, importance
from hpo.statistics import intervals
from hpo.statistics.intervals import Estimate
from hpo.study import functions, tables, trials
from hpo.worker import crew, training

sys.path.append(str(ROOT / "docs"))

import prose

PAGE = "docs/explanation/good-for.md"
SCORE = r"\d+\.\d ± \d+\.\d"
NUMBERS = [
    "none",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
]
QUOTED = {
    "what make run confirms": {
        "README.md": rf"seqdigits: confirmed ({SCORE}) % on 10",
        "docs/explanation/good-for.md": rf"Sequential digits, 64 points \| ({SCORE}) %",
        "docs/records/digits.md": rf"`make run` confirms \*\*({SCORE}) %",
        "paper.md": rf"confirms ({SCORE}) % on ten fresh seeds",
    },
    "what make run confirms, with thermal noise": {
        "README.md": r"(\d+\.\d) % with thermal noise \(40 chips\)",
        "docs/explanation/good-for.md": r"64 points \| \S+ ± \S+ % \| (\d+\.\d)",
        "docs/records/digits.md": r"%, (\d+\.\d) ± \S+ % with thermal noise, after",
        "paper.md": r"40 simulated chips it is (\d+\.\d)",
    },
    "the median of ten searches, with thermal noise": {
        "README.md": r"digits, pixel by pixel \| (\d+\.\d) %",
        "docs/explanation/good-for.md": r"a median of (\d+\.\d) % with thermal noise",
        "docs/records/searches.md": r"to 95\.6\), and (\d+\.\d) % with thermal noise",
        "paper.md": r"a median of (\d+\.\d) % with thermal noise",
    },
    "the same on five splits": {
        "docs/records/searches.md": r"and of (\d+\.\d) % with thermal noise",
        "CHANGELOG.md": r"a median of 96\.0 %, (\d+\.\d) % with thermal noise",
    },
    "what seqdigits-robust confirms": {
        "docs/how-to/robust.md": rf"confirms \*\*({SCORE}) %\*\* on 40 chips",
        "CHANGELOG.md": rf"2 % gain error: ({SCORE}) % on simulated chips",
    },
    "trained on chips": {
        "docs/how-to/robust.md": rf"trained on such chips have ({SCORE}) %",
        "docs/records/tables/hardware-tolerant.csv": (
            rf"seqdigits,all at once,{SCORE},({SCORE})"
        ),
    },
    "how much a search claims too much": {
        "README.md": r"(1\.\d to \d\.\d) points of accuracy too high",
        "docs/explanation/search.md": r"that of TPE and GP (\S+ to \d+\.\d)",
    },
    "the error of NARMA10 at three times the thermal power": {
        "docs/explanation/good-for.md": r"NARMA10's error is 0\.425 and (\d\.\d+)",
        "paper.md": r"NARMA10's error goes from 0\.425 to (\d\.\d+)",
    },
    "milliseconds of an epoch": {
        "README.md": r"oscillators takes (\d+) ms on one core",
        "docs/how-to/how-long.md": r"of 64 points takes (\d+) ms",
    },
    "minutes of make test": {
        "Makefile": r"all tests but the long ones, in (\w+) minutes",
        "CONTRIBUTING.md": r"all but the long tests: (\w+) minutes",
    },
    "minutes of make chaos": {
        "Makefile": r"## (\w+) minutes of kills",
        "CONTRIBUTING.md": r"make chaos +# (\w+) minutes of kills",
        "chaos/__main__.py": r"(\w+) minutes, on an embedded server",
    },
    "inputs of make fuzz": {
        "Makefile": r"## ([\d,]+) broken inputs of each kind",
        "CONTRIBUTING.md": r"make fuzz +# ([\d,]+) broken inputs",
    },
    "hours of make reproduce": {
        "Makefile": r"in about (\w+) hours on two cores",
        "reproduction/__main__.py": r"takes about (\w+) hours on two cores",
        "docs/reproduction.md": r"all again, in about (\w+) hours on two cores",
        "docs/records/reproduction.md": r"more: about (\w+) hours on two cores",
    },
    "minutes of make setup": {
        "Makefile": r"\((a minute) the first time\)",
        "docs/how-to/install.md": r"make setup +# .*; about (a minute)",
        "docs/tutorial/first-study.md": r"make setup +# .*: about (a minute)",
    },
    "minutes of make run": {
        "README.md": r"(\w+) minutes on two idle cores",
        "paper.md": r"In (\w+) minutes on two idle cores",
    },
    "an echo state network on digits": {
        "README.md": rf"69\.0 ± 2\.3 % \| \*\*({SCORE}) %",
        "docs/explanation/good-for.md": rf"98\.8 % \| ({SCORE}) %",
        "docs/records/digits.md": rf"baselines of `seqdigits` has ({SCORE}) %",
        "paper.md": rf"98\.8 % \| ({SCORE}) %",
    },
    "the same, read at its last state": {
        "docs/explanation/good-for.md": rf"such a readout, the ESN has ({SCORE}) and",
        "docs/tutorial/first-study.md": rf"ESN of 96 units, last state \(({SCORE}) %",
        "paper.md": rf"\(last state\), has ({SCORE}) %",
    },
    "untrained oscillators on digits": {
        "README.md": rf"digits, pixel by pixel \| \S+ % \| ({SCORE}) %",
        "docs/explanation/good-for.md": rf"untrained ones with ({SCORE}) %",
        "docs/records/digits.md": rf"with squares ({SCORE}) %\) \|\n\| untrained",
        "docs/records/tables/digits-others.csv": (
            rf"thermal noise, limited drive.*,({SCORE}) %"
        ),
    },
    "what the tutorial confirms": {
        "docs/tutorial/first-study.md": rf"done, confirmed ({SCORE}) % on 5",
        "CHANGELOG.md": rf"echo state network that reads alike: ({SCORE}) %",
    },
    "the same, with thermal noise": {
        "docs/tutorial/first-study.md": r"and (\d+\.\d) % with thermal noise",
        "CHANGELOG.md": r"reads alike: \S+ ± \S+ % \((\d+\.\d) % with thermal noise",
    },
    "what a new device confirms": {
        "docs/how-to/own-device.md": rf"({SCORE}) % of the test digits are right",
        "CHANGELOG.md": rf"its network confirms ({SCORE}) % on digits",
    },
    "GunPoint": {
        "docs/how-to/own-data.md": rf"gunpoint: confirmed ({SCORE}) % on 10",
        "docs/records/tasks.md": rf"\(revision \w+\): ({SCORE}) % \(10 networks",
    },
    "minutes of GunPoint": {
        "docs/how-to/own-data.md": r"(\d+) minutes on two busy cores",
        "docs/how-to/how-long.md": r"(\d+) min on busy cores",
        "docs/records/tasks.md": r"(\d+) min \d+ s on two busy cores",
    },
    "accuracy at little energy": {
        "docs/how-to/energy.md": rf"\*\*({SCORE}) % at 10\.3 pJ",
        "CHANGELOG.md": rf"confirms ({SCORE}) % at 10\.3 pJ",
        "docs/records/tables/hardware-energy-front.csv": rf"100,10\.3,.*,({SCORE}) %,8",
    },
    "Fashion-MNIST": {
        "docs/explanation/good-for.md": rf"Fashion-MNIST, 196 points \| ({SCORE}) %",
        "docs/records/beyond-digits.md": rf"level with the best.*: ({SCORE}) %,",
        "CHANGELOG.md": rf"`fashion-mnist`, .* confirms ({SCORE}) %",
        "paper.md": rf"Fashion-MNIST, 196 points \| ({SCORE}) %",
    },
    "spoken digits, with thermal noise": {
        "README.md": rf"spoken digits \| ({SCORE}) %",
        "docs/explanation/good-for.md": rf"known speakers \| .{{12}} \| ({SCORE}) %",
        "docs/records/beyond-digits.md": rf"spoken digits, FSDD \| ({SCORE}) %",
    },
    "readings of the paper": {
        "README.md": r"22 claims under up to (\d+) ways",
        "docs/reproduction.md": r"under all or most of up to (\d+) readings",
        "paper.md": r"under all or most of up to (\d+) readings",
    },
    "claims of the paper that hold, partly hold, never hold": {
        "docs/reproduction.md": (
            r"Of (22 claims, \d+ hold under all or most of up to \d+ readings,"
            r" \d+ at most in part), (?:and )?\d+ never"
        ),
        "paper.md": (
            r"Of (22 claims, \d+ hold under all or most of up to \d+ readings,"
            r" \d+ at most in part), (?:and )?\d+ never"
        ),
    },
    "claims that need more": {
        "docs/reproduction.md": r"(\d+) need more networks",
        "paper.md": r"(\d+) need more networks",
    },
    "the date of the release": {
        "CHANGELOG.md": r"\n## [\d.]+ – (\S+)",
        "CITATION.cff": r"date-released: (\S+)",
        "codemeta.json": r'"dateModified": "(\S+)"',
    },
    "the version": {
        "pyproject.toml": r'\nversion = "([\d.]+)"',
        "CHANGELOG.md": r"\n## ([\d.]+) ",
        "CITATION.cff": r"\nversion: ([\d.]+)",
        "codemeta.json": r'"version": "([\d.]+)"',
    },
}
"""What stands in several places, and where."""
TASKS = {
    "Spoken digits, known speakers": ("spoken-digits", 1),
    "Fashion-MNIST, 196 points": ("fashion-mnist", 1),
    "Japanese Vowels": ("japanese-vowels", 1),
    "MNIST-1D, 40 points": ("mnist-1d", 1),
    "NARMA10": ("narma10", 3),
    "Mackey-Glass": ("mackey-glass", 3),
}
"""Rows of the table of tasks: the stored result, and decimals of its score."""


def plain(name: str) -> str:
    """A file without the marks of links and formulas."""
    text = (ROOT / name).read_text("utf-8").replace(r"\pm", "±").replace("$", "")
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


@pytest.mark.parametrize("what", QUOTED)
def test_a_figure_is_the_same_wherever_it_stands(what: str) -> None:
    found = {}
    for name, pattern in QUOTED[what].items():
        match = re.search(pattern, plain(name))
        assert match, f"{name}: no {pattern}"
        found[name] = match[1]
    assert len(set(found.values())) == 1, found


def whole(name: str) -> dict[str, Any]:
    path = ROOT / f"docs/results/{name}.json"
    study: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return study


def stored(name: str) -> dict[str, Any]:
    confirmed: dict[str, Any] = whole(name)["confirmations"][0]
    return confirmed


def test_what_seqdigits_robust_confirms_is_stored() -> None:
    result = stored("seqdigits-robust")
    chips = result["chips"]
    score = f"{100 * result['mean']:.1f} ± {100 * result['std']:.1f} %"
    above = sum(chip >= 0.93 for chip in chips)
    said = f"**{score}** on {len(chips)} chips, {above} of them above 93 %"
    assert said in plain("docs/how-to/robust.md")


def test_readme_shows_what_make_run_printed() -> None:
    verdict = f"seqdigits: {whole('seqdigits')['verdict']}"
    (output,) = found("README.md", r"It prints \(shortened\):\n\n((?:    .*\n)+)")
    lines = [line.strip(" …") for line in output.splitlines()]
    assert len(lines) == 5
    assert not [line for line in lines if line not in verdict]


def test_readme_and_the_record_say_what_make_run_confirmed() -> None:
    study = whole("seqdigits")
    result = study["confirmations"][0]
    noisy = result["thermal"]["noisy"]
    gain = 100 * study["gap"]
    cold, chips = (
        f"{100 * statistics.fmean(of):.1f} ± {100 * statistics.stdev(of):.1f} %"
        for of in (result["scores"], noisy)
    )
    readme = plain("README.md")
    assert f"{cold.partition(' ±')[0]} % counts its mean effect alone" in readme
    assert f"{chips.partition(' ±')[0]} %, with its fluctuations," in readme
    assert f"gains {gain:.1f} points" in readme.replace("**", "").replace("alone ", "")
    record = plain("docs/records/digits.md")
    assert f"`make run` confirms **{cold}, {chips} with thermal noise" in record
    assert "docs/results/seqdigits.json" in record
    trials = study["trials"]
    for words in (f"With {trials} trials", f"tries {trials} configurations"):
        assert words in readme + record
    limits = result["tolerances"]["limits"]
    delay = limits["coupling_delay_ns"]["amount"]
    assert f"at a coupling delay of {delay:.2f} ns" in readme
    assert f"if damping grows by {100 * limits['q']['amount']:.0f} %" in readme


@pytest.mark.parametrize("row", TASKS)
def test_the_table_of_tasks_has_the_stored_scores(row: str) -> None:
    name, decimals = TASKS[row]
    result = stored(name)
    scale = 100 if decimals == 1 else 1
    text = " ± ".join(
        f"{scale * value:.{decimals}f}" for value in (result["mean"], result["std"])
    )
    cells = re.search(rf"^\| {re.escape(row)} \| (.*)$", plain(PAGE), re.MULTILINE)
    assert cells
    assert cells[1].startswith(text), f"{name}: {text}"


@pytest.mark.parametrize(
    ("row", "name"),
    [("NARMA10", "narma10-reservoir"), ("Mackey-Glass", "mackey-glass-reservoir")],
)
def test_the_errors_of_untrained_oscillators_are_the_stored_ones(
    row: str, name: str
) -> None:
    result = stored(name)
    texts = [
        f"| {result['mean']:.{digits}f} ± {result['std']:.{digits}f} |"
        for digits in (3, 4)
    ]
    for page in ("README.md", PAGE, "docs/records/beyond-digits.md"):
        line = re.search(rf"^\| {row}[ ,].*$", plain(page), re.MULTILINE)
        assert line, page
        assert any(text in line[0] for text in texts), f"{page}: {texts}"


# --- a figure that follows from others ---


def number(word: str) -> int:
    return int(word) if word.isdigit() else NUMBERS.index(word)


def found(name: str, pattern: str) -> tuple[str, ...]:
    match = re.search(pattern, plain(name))
    assert match, f"{name}: no {pattern}"
    return match.groups()


def rows(name: str) -> list[dict[str, str]]:
    with (ROOT / name).open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def test_make_reproduce_takes_half_of_the_hours_of_one_core() -> None:
    record = (
        r"in (\d+) h \d+ min of one core, and what is missing, in about (\w+) hours"
    )
    measured, missing = found("docs/records/reproduction.md", record)
    (said,) = found("Makefile", r"in about (\w+) hours on two cores")
    assert abs((int(measured) + number(missing)) / 2 - number(said)) <= 1


def test_make_bench_takes_as_long_as_its_sections_took() -> None:
    took = re.findall(
        r"Measured on .* in (\d+) minutes", plain("benchmarks/RESULTS.md")
    )
    assert len(took) == 6
    assert 45 <= sum(map(int, took)) <= 75
    assert "in an hour on two cores" in plain("Makefile")


def test_make_run_takes_the_minutes_of_its_record() -> None:
    record = r"after (\d+) minutes (\d+) seconds"
    minutes, seconds = map(int, found("docs/records/digits.md", record)[:2])
    (said,) = found("README.md", r"(\w+) minutes on two idle cores")
    assert number(said) == round(minutes + seconds / 60)
    study = tomllib.loads((ROOT / "studies/seqdigits.toml").read_text())
    assert found("README.md", r"The search tries (\d+) configurations") == (
        str(study["budget"]["trials"]),
    )


def test_the_claims_of_the_paper_are_counted_in_one_table() -> None:
    table = re.findall(
        r"^\| (.+) \| (\d+) / (\d+) / (\d+) \|$",
        plain("docs/reproduction.md"),
        re.MULTILINE,
    )
    holds = {claim: int(under) for claim, under, *_ in table}
    accuracy, speed = found(
        "README.md",
        r"accuracy holds under (\w+) of \d+, its best input .*? under (\w+)\.",
    )
    assert number(accuracy) == holds["accuracy at 1 ns: 89.83 ± 2.91 %"]
    assert number(speed) == holds["accuracy is highest at 1 ns"]
    never = [
        claim
        for claim, yes, partly, no in table
        if (yes, partly) == ("0", "0") and int(no) >= 5
    ]
    (said,) = found("README.md", r"(\w+) claims hold under none")
    assert number(said.lower()) == len(never)
    assert found("docs/reproduction.md", r"in part, (\d+) never") == (str(len(never)),)


def test_what_workers_wait_is_what_was_simulated() -> None:
    results = plain("benchmarks/RESULTS.md")
    steady = results.partition("away from its start and its end:")[2]

    def waits(workers: int, column: int) -> str:
        cells = re.search(rf"^\| {workers} \| (.*) \|$", steady, re.MULTILINE)
        assert cells
        return f"{float(cells[1].split(' | ')[column].removesuffix(' %')):.0f}"

    two, four, eight, clocked, wide, cost = found(
        "README.md",
        r"two workers (\d+) %, four (\d+) %, eight (\d+) % of the time .*lowers the \d+"
        r" to (\d+) %, `window = 16` to (\d+) %, at a cost of (\d\.\d) points",
    )
    assert (two, four, eight, wide) == (
        waits(2, 2),
        waits(4, 1),
        waits(8, 0),
        waits(8, 1),
    )
    pure = "docs/explanation/pure-function.md"
    assert found(pure, r"\| 8 \| clock 12 \| (\d+) %") == (clocked,)
    at_once, late = (
        float(found(pure, rf"\| 8 \| {rule} \|.*?\| (\d+\.\d) % \|")[0])
        for rule in ("at once", "window 16")
    )
    assert cost == f"{at_once - late:.1f}"
    assert found(
        "docs/how-to/how-long.md", r"eight of them (\d+) % of the time with .*, (\d+) %"
    ) == (eight, wide)


def test_other_programs_take_as_many_times_as_long_as_measured() -> None:
    said = found("README.md", r"PyTorch takes (\d+) times as long, diffrax (\d+) times")
    measured = r"spintronic, AVX-512: eager (\d+), .* diffrax (\d+), ours"
    assert said == found("benchmarks/RESULTS.md", measured)


def test_drives_are_those_of_the_listed_devices() -> None:
    text = (ROOT / "objectives/hardware/devices.toml").read_text("utf-8")
    devices = tomllib.loads(text)
    default = devices.pop("nano-oscillator")["drive_high"]
    had = [one["drive_high"] for one in devices.values()]
    span = f"{min(had)} to {max(had)}"
    for name, words in {
        "README.md": rf"up to {span} times the threshold, not {default:g}",
        "docs/how-to/thermal.md": rf"up to {span} γ; {default:g} γ, the default",
        "docs/records/hardware.md": rf"over its threshold: {span} γ",
        "docs/reproduction.md": rf"had drives of up to {max(had)} γ",
        "CHANGELOG.md": rf"driven with up to {max(had)} times that current",
        "objectives/devices/spintronic.py": rf'had up to {max(had)}"',
        "objectives/hardware/devices.toml": rf"above the {span} of the devices below",
    }.items():
        assert re.search(words, plain(name)), f"{name}: no {words}"
    for study in (ROOT / "studies").glob("*.toml"):
        said = re.findall(r"devices are driven with up to ([\d.]+) ", study.read_text())
        assert {*said} <= {str(max(had))}, study.name


def test_runs_of_optuna_and_of_ours_are_equal_as_the_table_says() -> None:
    repeats = rows("docs/records/tables/functions-repeats.csv")
    for service, place in (
        ("Optuna", r"\| (\d+ of \d+) trials"),
        ("ours", r"\| (\d+ of \d+) are"),
    ):
        equal = {row["equal trials"] for row in repeats if row["service"] == service}
        assert found("README.md", rf"run twice .*?{place}") == (*equal,)


def test_a_window_is_at_most_four_or_a_tenth_of_the_trials() -> None:
    (page,) = found(
        "docs/explanation/pure-function.md", r"above (\d), to at most a tenth"
    )
    files = [
        *(ROOT / "studies").glob("*.toml"),
        *(ROOT / "docs/examples").glob("*.toml"),
    ]
    windows = {}
    for path in files:
        study = tomllib.loads(path.read_text("utf-8"))
        budget = study["budget"]
        if study.get("sampler", {}).get("name", "random") not in ("random", "qmc"):
            windows[path.name] = budget["window"], max(int(page), budget["trials"] / 10)
    assert len(windows) > 8
    assert not {name: one for name, one in windows.items() if one[0] > one[1]}


CONSTANTS = {
    "from-optuna: window": (
        "docs/how-to/from-optuna.md",
        r"trials 0 to k − (\d)",
        tables.Budget.model_fields["window"].default,
    ),
    "from-optuna: trials": (
        "docs/how-to/from-optuna.md",
        r"`--trials` \(default (\d+)\)",
        functions.TRIALS,
    ),
    "from-optuna: failures": (
        "docs/how-to/from-optuna.md",
        r"(\w+) failed trials in a row stop",
        failures.FAILURES_OF_FUNCTION,
    ),
    "failures": (
        "docs/how-to/when-something-fails.md",
        r"traceback; (\d) in a row",
        claims.FAILURES_IN_A_ROW,
    ),
    "failures: crashes": (
        "docs/how-to/when-something-fails.md",
        r"after (\w+) crashes without progress",
        trials.MAX_LOSSES,
    ),
    "failures: lease": (
        "docs/how-to/when-something-fails.md",
        r"after (\d+) s without a sign of life",
        config.LEASE_S,
    ),
    "failures: checkpoint": (
        "docs/how-to/when-something-fails.md",
        r"up to (\d+) s of training done again",
        training.CHECKPOINT_S[1],
    ),
    "settings: lease": (
        "docs/reference/settings.md",
        r"\| `lease` \| (\d+) \|",
        config.LEASE_S,
    ),
    "several hosts: PostgreSQL": (
        "docs/how-to/several-hosts.md",
        r"PostgreSQL (\d+) or newer",
        connect.OLDEST_MAJOR,
    ),
    "spaces: draws": (
        "docs/how-to/spaces.md",
        r"fewer than (\d) draws fit",
        constraints.LEAST,
    ),
    "warm start: points": (
        "docs/how-to/warm-start.md",
        r"top = (\d) ",
        tables.TOP,
    ),
    "warm start: trials": (
        "docs/how-to/warm-start.md",
        r"(\d+) of each study at most",
        gaussian_process.FITTED,
    ),
    "scores: importances": (
        "docs/records/scores.md",
        r"Importances\*\* are shown from (\d+) completed",
        importance.LEAST,
    ),
    "scores: penalties of classes": (
        "docs/records/scores.md",
        r"random settings with (\w+) ridge penalties",
        len(baselines.PENALTIES),
    ),
    "scores: penalties of predictions": (
        "docs/records/scores.md",
        r"ridge penalties each \(a prediction: (\w+)\)",
        len(PENALTIES),
    ),
    "scores: units": (
        "docs/records/scores.md",
        r"neurons, at most (\d+)\.",
        reservoir.MOST_UNITS,
    ),
    "operations: grace": (
        "docs/records/operations.md",
        r"within 23 s: (\d+) for its workers' epochs",
        crew.TERM_GRACE_S,
    ),
    "own data: few": (
        "docs/how-to/own-data.md",
        r"below (\d+) training series `hpo new study` writes folds",
        advice.FEW,
    ),
}
"""What a page says of a constant of the code."""


@pytest.mark.parametrize("what", CONSTANTS)
def test_a_page_gives_the_constant_of_the_code(what: str) -> None:
    page, pattern, value = CONSTANTS[what]
    (said,) = found(page, pattern)
    assert number(said) == value


def test_platforms_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    minors = [
        int(one.rpartition(".")[2])
        for one in project["classifiers"]
        if re.search(r":: 3\.\d+$", one)
    ]
    for name in ("README.md", "CONTRIBUTING.md"):
        assert found(name, r"Python 3\.(\d+) or newer") == (str(min(minors)),)
    tried = r"Python 3\.(\d+) \| all tests run \|\n.*Python 3\.12 and 3\.(\d+) \| tried"
    said = found("docs/how-to/install.md", tried)
    assert tuple(map(int, said)) == (min(minors), max(minors))
    assert project["requires-python"] == f">=3.{min(minors)}"
    compose = found("docker-compose.yml", r"POSTGRES_IMAGE:-postgres:(\d+)@")
    assert found("CHANGELOG.md", r"PostgreSQL is (\d+) everywhere") == compose
    for name in ("docs/tutorial/first-study.md", "docs/tutorial/notebook.ipynb"):
        assert {*re.findall(r"PostgreSQL (\d+)\.", plain(name))} == {*compose}


def test_the_changelog_counts_what_is_there() -> None:
    changes = plain("CHANGELOG.md").partition("\n## 0.3.0")[0]
    studies = len([*(ROOT / "studies").glob("*.toml")])
    most = prose.MOST
    for said in (
        f"- {len(COMMANDS)} commands, as before",
        f"each task and each figure ({studies} of 34)",
        f"Pages have {most['pages']:,} words",
        f"records {most['records']:,} (39,600)",
        f"begin anew** ({schema.SCHEMA_VERSION})",
    ):
        assert said in changes


# --- what is ahead, level or behind ---


def estimate(cell: str, networks: int, series: int | None) -> Estimate:
    """Of a cell of the tables of tasks: ``95.4 ± 0.7 %`` or ``98.8 %``."""
    mean, _, deviation = re.sub(r"[^\d.± ]", "", cell).strip().partition(" ± ")
    scale = 1.0 if series is None else 100.0
    value = float(mean) / scale
    return Estimate(
        mean=value,
        seeds=float(deviation) / scale / networks**0.5 if deviation else None,
        n_seeds=networks,
        sampling=intervals.sampling_error(value, series) if series else None,
        n_series=series,
    )


CLASSIFICATIONS = {
    "Sequential digits, 64 points": (899, 5, "behind both (ESN: p = 0.04)"),
    "MNIST-1D, 40 points": (1000, 5, "ahead of both"),
    "Spoken digits, known speakers": (1500, 5, "ahead of both"),
    "Fashion-MNIST, 196 points": (10_000, 3, "level with both"),
    "Japanese Vowels": (370, 5, "behind the ESN (p = 0.04)"),
}
"""Test series, draws of the ESN, and what the page says."""


@pytest.mark.parametrize("task", CLASSIFICATIONS)
def test_what_the_page_calls_ahead_level_and_behind_is_so_by_its_test(
    task: str,
) -> None:
    series, draws, said = CLASSIFICATIONS[task]
    (line,) = found(PAGE, rf"(?m)^\| {re.escape(task)} \| (.*) \|$")
    cold, noisy, simple, esn, verdict = line.split(" | ")
    own = estimate(cold if noisy == "–" else noisy, 10, series)
    others = [estimate(simple, 1, series), estimate(esn, draws, series)]
    compared = [intervals.compare(own, other, maximize=True) for other in others]
    relations = [one.relation for one in compared]
    if "the ESN" in verdict:
        assert relations == ["level", verdict.split()[0]]
    else:
        assert {*relations} == {verdict.split()[0]}
    assert verdict == said
    if p := re.search(r"p = (\S+)\)", verdict):
        assert f"{compared[1].p:.2f}" == p[1]


def test_the_summary_counts_the_rows() -> None:
    """Against the ESN alone: on Mackey-Glass it is ahead, too."""
    verdicts = re.findall(
        r"(?m)^\| [A-Z].* \| ((?:ahead|level|behind|between).*) \|$", plain(PAGE)
    )
    behind, all_, ahead, level = found(
        PAGE,
        r"ahead of trained oscillators in (\w+) of the (\w+) tasks below.\*\* They are"
        r" ahead of it in (\w+), level in (\w+)\.",
    )
    counted = [
        sum(v.startswith(one) for v in verdicts) for one in ("behind", "ahead", "level")
    ]
    assert number(all_) == len(verdicts)
    assert number(behind) == counted[0] + sum(v.startswith("between") for v in verdicts)
    assert [number(ahead), number(level)] == counted[1:]

"""What the dashboard shows of much, and how it hands it out; no database."""

from __future__ import annotations

import gzip
import itertools
import json
import os

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpo.cli import main
from hpo.dashboard import app
from hpo.dashboard.answers import _cell, attachment, packed
from hpo.dashboard.plots import choose, most_important
from hpo.dashboard.trial_cache import _json


def trial(number: int, value: float | None) -> FrozenTrial:
    made = create_trial(
        state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
        value=value,
        params={"x": number / 1000},
        distributions={"x": FloatDistribution(0, 10)},
    )
    made.number = number
    return made


@pytest.mark.parametrize("direction", list(StudyDirection)[1:])
@pytest.mark.parametrize("count", [1, 99, 100, 101, 5000])
def test_the_best_and_an_even_sample_are_chosen(direction: StudyDirection, count: int) -> None:
    values = [None if i % 5 == 0 else float((i * 37) % count) for i in range(count)]
    trials = [trial(i, value) for i, value in enumerate(values)]
    chosen = choose(trials, 100, [direction])
    numbers = [t.number for t in chosen]
    assert len(chosen) == min(count, 100)
    assert numbers == sorted(set(numbers))
    if count <= 100:
        return
    sign = -1 if direction == StudyDirection.MAXIMIZE else 1
    ranked = sorted((t for t in trials if t.value is not None), key=lambda t: sign * t.value)
    assert {t.number for t in ranked[:50]} <= set(numbers)
    rest = [n for n in numbers if n not in {t.number for t in ranked[:50]}]
    gaps = [after - before for before, after in itertools.pairwise(rest)]
    assert max(gaps) <= 2 * count / 50 + 2


def test_trials_without_a_score_are_sampled_evenly() -> None:
    chosen = choose([trial(i, None) for i in range(1000)], 10, [StudyDirection.MINIMIZE])
    assert [t.number for t in chosen] == list(range(0, 1000, 100))


def test_the_most_important_parameters_come_first() -> None:
    study = optuna.create_study()
    space = {name: FloatDistribution(0, 1) for name in "abc"}
    for i in range(60):
        params = {"a": i * 17 % 60 / 60, "b": i / 60, "c": i * 7 % 60 / 60}
        value = (params["b"] - 0.5) ** 2
        study.add_trial(create_trial(value=value, params=params, distributions=space))
    assert most_important(study, ["a", "b", "c"], 1) == ["b"]
    assert most_important(study, ["a", "b", "c", "d"], 4)[0] == "b"
    assert most_important(optuna.create_study(), ["a", "b"], 1) == ["a"]


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip, br", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.5", True),
        ("br, gzip; q=0, *", False),
    ],
)
def test_answers_are_compressed_for_who_accepts_it(accepted: str, is_packed: bool) -> None:
    reply = packed([b'{"a": ', b"1}"], accepted)
    assert (("Content-Encoding", "gzip") in reply.head()) == is_packed
    assert json.loads(gzip.decompress(reply.body) if is_packed else reply.body) == {"a": 1}


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(formula: str) -> None:
    assert _cell(formula) == f"'{formula}"
    assert _cell("plain = text") == "plain = text"
    assert _cell(-1.5) == -1.5


def test_names_of_files_are_inert_in_headers() -> None:
    name, value = attachment('../../é"\r\nSet-Cookie: x=1;\0.html')
    assert name == "Content-Disposition"
    assert value == (
        'attachment; filename="_.._Set-Cookie_x_1_.html"; '
        "filename*=UTF-8''..%2F..%2F%C3%A9%22%0D%0ASet-Cookie%3A%20x%3D1%3B%00.html"
    )
    assert 'filename="file"' in attachment("..")[1]
    assert attachment(os.fsdecode(b"\xe9.csv"))[1].endswith("filename*=UTF-8''%3F.csv")


def test_long_texts_are_not_held() -> None:
    """Attributes may be megabytes, and their studies be deleted."""
    assert _json('"short"') is _json('"short"')
    long = json.dumps("x" * 1000)
    assert _json(long) == "x" * 1000
    assert _json(long) is not _json(long)


def test_pages_show_texts_as_texts() -> None:
    hostile = " --storage 'postgresql://<img src=x onerror=alert(1)>@host/hpo'"
    page = app.no_study(hostile)
    assert "<img" not in page
    assert "hpo launch --study seqdigits --storage " in page
    assert "<script>" not in app.unavailable("<script>alert(1)</script>")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--port", "70000"], "argument --port: must be at most 65535, but got 70000"),
        (["--port", "-1"], "argument --port: must be at least 0, but got -1"),
        (
            ["--allowed-host", "labserver:8080"],
            "argument --allowed-host: must be a name without a port, but got 'labserver:8080'",
        ),
        (
            ["--trusted-proxy", "10.0.0.0/8"],
            "argument --trusted-proxy: must be an address in digits, but got '10.0.0.0/8'",
        ),
    ],
)
def test_what_the_command_line_refuses(
    capsys: pytest.CaptureFixture[str], line: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["dashboard", *line])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err

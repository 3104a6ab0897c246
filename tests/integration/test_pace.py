"""What a dry run says of the time that a search takes: from an earlier study, or nothing."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from servers import connect
from workers import SUPPORT, toy_spec

from hpo.ledger.claims import Claim, End
from hpo.ledger.ledger import Ledger
from hpo.ledger.pace import pace
from hpo.postgres.connect import Storage
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import Member, SlotState, Suggestion

BUDGET = {"trials": 8, "members": 1, "epochs": 6, "window": 2}


def spec(name: str, **tables: Any) -> StudySpec:
    return toy_spec(name, **{"budget": BUDGET, "confirm": {"top": 1, "members": 4}, **tables})


def measured(ledger: Ledger, study: StudySpec, host: str, seconds: float, trials: int = 5) -> None:
    """A study of whose networks each took so long."""
    ledger.register(study)
    for _ in range(trials):
        held = ledger.claim(study.name, "w", lease_s=60.0)
        assert isinstance(held, Claim)
        ledger.store_suggestion(held, Suggestion(params={"x": 0.5, "k": 3}))
        member = Member(
            member=0,
            seed=1,
            score=0.5,
            curve=(0.5,) * 6,
            loss_curve=(0.5,) * 6,
            diverged=False,
            info={},
            seconds=seconds,
        )
        end = End(state=SlotState.COMPLETE, score=0.5, lineage={"host": host}, last=member)
        ledger.settle(held, end)


def found(storage: Storage, study: StudySpec, host: str) -> tuple[str, str, float] | None:
    with storage.engine.connect() as connection:
        known = pace(connection, study, host)
    return known and (known.study, known.host, round(known.seconds_per_epoch, 6))


def test_the_pace_is_that_of_the_same_networks_on_this_host_if_it_is_known(
    ledger: Ledger, storage: Storage
) -> None:
    wanted = spec("wanted", seed=3)
    assert found(storage, wanted, "here") is None
    measured(ledger, spec("few"), "here", 6.0, trials=4)
    measured(ledger, spec("others", fixed={"noise": 0.5}), "here", 6.0)
    assert found(storage, wanted, "here") is None, "too few networks, and others"
    measured(ledger, spec("older"), "here", 1.2)
    measured(ledger, spec("newer"), "there", 0.6)
    assert found(storage, wanted, "here") == ("older", "here", 0.2)
    assert found(storage, wanted, "elsewhere") == ("newer", "there", 0.1)


def dry_run(directory: Path, study: StudySpec, url: str, *options: str) -> str:
    named = f'name = "{study.name}"\n'
    (directory / "again.toml").write_text(file.dumps(study).replace(named, ""))
    line = ["--study", "again.toml", "--storage", url, "--dry-run", "--workers", "2", *options]
    done = subprocess.run(
        [sys.executable, "-m", "hpo.launch", *line],
        cwd=directory,
        env={"PYTHONPATH": str(SUPPORT), "PATH": "/usr/bin:/bin", "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dry_run_estimates_the_time_at_a_measured_pace(
    ledger: Ledger, database_url: str, tmp_path: Path
) -> None:
    assert "\ntime " not in dry_run(tmp_path, spec("again"), database_url)
    measured(ledger, spec("known"), platform.node(), 60.0)
    lines = dry_run(tmp_path, spec("again"), database_url).splitlines()
    (line,) = [line for line in lines if line.startswith("time ")]
    assert line.split(maxsplit=1)[1] == (
        "about 6 min 00 s of training at most, by 2 workers: 10 s an epoch, the median of "
        "5 networks of known on this host"
    )
    record = json.loads(dry_run(tmp_path, spec("again"), database_url, "--json"))
    assert record["pace"]["seconds_per_epoch"] == 10.0
    assert (record["epochs_at_most"], record["confirmation_epochs"]) == (48, 24)
    assert [study.name for study in ledger.studies()] == ["known"]


def test_a_dry_run_makes_no_tables(empty_database_url: str, tmp_path: Path) -> None:
    assert "\ntraining " in dry_run(tmp_path, spec("again"), empty_database_url)
    with connect(empty_database_url) as connection:
        count = "SELECT count(*) FROM pg_tables WHERE schemaname NOT LIKE ALL (%s)"
        system = ["pg_%", "information_schema"]
        assert connection.execute(count, [system]).fetchone() == (0,)

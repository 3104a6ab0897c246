"""What people did to studies is written down, and shown whatever they call themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from workers import toy_spec

from hpo.cli import main
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study import file


def test_names_of_people_are_shown_as_they_can_be(
    ledger: Ledger, storage: Storage, hpo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "\x1b[31mevil\nline\udcff" + 99 * "x")
    ledger.register(toy_spec())
    (event,) = ledger.events(9)
    assert event.who == ("?[31mevil?line?" + 99 * "x")[:80]
    assert event.who in hpo("storage", "log")
    interventions.delete_study(ledger, "toy")
    ledger.register(toy_spec())
    assert [e.what for e in ledger.events(9, "toy")] == ["submitted"], "of the one that is there"
    assert len(ledger.events(9)) == 3
    with storage.engine.begin() as connection:  # whoever has the workers' password can
        sql = "INSERT INTO hpo_ledger.events (who, what, study) VALUES (E'\\x1b[2J', 'x', 'y')"
        connection.execute(sa.text(sql))
    assert "?[2J" in hpo("storage", "log")


def test_a_study_that_nobody_could_be_started_for_is_withdrawn(
    ledger: Ledger,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Standing workers would take it; one that was there before stays."""
    study = tmp_path / "toy.toml"
    study.write_text(file.dumps(toy_spec()))
    monkeypatch.setenv("PATH", str(tmp_path))  # without sbatch
    slurm = ["--executor", "slurm", "--workers", "1", "--no-report", "--storage", database_url]
    line = ["launch", "--study", str(study), *slurm]
    assert main.main(line) == 1
    assert "toy: removed again, since no worker could start" in capsys.readouterr().err
    assert not ledger.studies()
    ledger.register(toy_spec())
    assert main.main(line) == 1
    assert "removed again" not in capsys.readouterr().err
    assert [study.name for study in ledger.studies()] == ["toy"]
    assert [event.what for event in ledger.events(9)] == ["submitted", "withdrawn", "submitted"]

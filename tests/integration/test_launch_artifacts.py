"""What a launch keeps at its end for the dashboard: the best network, curves, figures."""

from __future__ import annotations

import signal
import time

import pytest
from users import User

from hpo.ledger.artifacts import ArtifactStore
from hpo.postgres.connect import open_storage

SLOW, BRISK = ("--set", "fixed.sleep_s=0.1"), ("--set", "fixed.sleep_s=0.04")
NETWORK = (
    "--set=objective=toy_network:ToyNetworkObjective",
    "--set=confirm.epochs=40",
    "--set=confirm.members=2",
    "--trials=2",
)
LONG = ("--set=confirm.epochs=25",)  # the network is not made before the launch can be asked
TO_BE_MADE = "the best network for the dashboard is still to be made: hpo artifacts toy --make\n"


def test_a_launch_waits_for_the_learning_curve(owner: User) -> None:
    _, err = owner.said
    assert "to be made" not in err
    out, _ = owner.run("artifacts", "toy")
    assert len(out.splitlines()) == 2
    _, err = owner.launched()
    assert "a worker keeps" not in err


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_best_network_can_be_left_for_later(
    user: User, signum: signal.Signals, status: int
) -> None:
    launch = user.launch("--workers", "1", "--no-report", *SLOW, *NETWORK, *LONG)
    with open_storage(user.url) as storage:
        store = ArtifactStore(storage.engine)
        assert launch.stderr is not None
        said = iter(launch.stderr.readline, "")
        assert any("toy: a worker keeps the best network" in line for line in said)
        launch.send_signal(signum)
        out, err = launch.communicate(timeout=60)
        assert launch.returncode == status, err
        assert ("toy: confirmed" in out) == (signum == signal.SIGINT)
        assert (TO_BE_MADE in err) == (signum == signal.SIGINT)
        assert (store.due(), store.listed("toy")) == (["toy"], [])
        _, err = user.launched(*SLOW, *NETWORK, *LONG)
        assert TO_BE_MADE in err, "again, since nothing makes it by itself"


@pytest.mark.slow  # a worker that is busy for so long must be killed, after its grace
def test_a_launch_waits_for_the_best_network_no_longer_than_its_timeout(user: User) -> None:
    line = ("--set", "objective=toy_network:LingeringObjective")
    begun_s = time.monotonic()
    _, err = user.launched("--workers", "1", "--timeout", "30", *line)
    assert 30 < time.monotonic() - begun_s < 60, "and not the minute that it would wait"
    assert TO_BE_MADE in err


def test_a_sweep_whose_figure_was_changed_says_how_its_artifact_is_made_anew(user: User) -> None:
    study = (
        'objective = "toy_objective:ToyObjective"\nprotocol = "confirm"\n'
        "[budget]\nmembers = 2\nepochs = 2\n"
        '[[sweep.curves]]\nlabel = "toy"\nx = "x"\nvalues = [0.1, 0.5]\n'
        '[figure]\nkind = "curves"\nx_label = '
    )
    file = user.directory / "swept.toml"
    file.write_text(f'{study}"before"\n')
    user.run("launch", "--study", "swept.toml", "--workers", "1")
    file.write_text(f'{study}"after"\n')
    command = "hpo artifacts swept --make\n"
    _, err = user.run("launch", "--study", "swept.toml")
    assert f"the figure for the dashboard is still to be made: {command}" in err
    user.run(*command.split()[1:])
    _, err = user.run("launch", "--study", "swept.toml")
    assert "to be made" not in err


def test_two_launches_keep_the_best_network_once(user: User) -> None:
    launches = [
        user.start(
            "launch", "--study", "toy.toml", "--workers", "1", *NETWORK, *BRISK, "--report", f
        )
        for f in ("a.html", "b.html")
    ]
    for launch in launches:
        _, err = launch.communicate(timeout=120)
        assert launch.returncode == 0, err
        assert "to be made" not in err, "the other one's worker was at it"
    out, _ = user.run("artifacts", "toy")
    assert len(out.splitlines()) == 7

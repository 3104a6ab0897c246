"""A user's code in our process: it ends nothing, and what it changes is put back."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hpo.contract import ExitedError, calling, importing, list_damage
from hpo.contract.process_state import Interruptions, Settings

UPWARD = 0x800
"""FE_UPWARD of x86."""


@pytest.mark.parametrize(
    ("leave", "said"),
    [
        (lambda: sys.exit("needs a GPU"), "called sys.exit('needs a GPU')"),
        (lambda: os._exit(0), "called os._exit(0)"),
    ],
)
def test_what_would_end_the_process_is_an_error(
    leave: Callable[[], None], said: str
) -> None:
    with pytest.raises(ExitedError) as caught, calling("module"):
        leave()
    assert str(caught.value) == said


def test_ctrl_c_is_not_the_code_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt), calling("module"):
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with pytest.raises(ExitedError, match="KeyboardInterrupt"), calling("module"):
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_forked_process_ends_with_the_block(tmp_path: Path) -> None:
    with calling("module"):
        pid = os.fork()
    assert pid, "the fork never gets here"
    assert os.waitpid(pid, 0)[1] == 0


def test_what_it_changes_is_put_back(tmp_path: Path) -> None:
    one = float("1")
    settings = Settings.read()
    interruptions = Interruptions.read()
    with calling("module"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_VIRTUAL, 60)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        sys.setrecursionlimit(700)
        os.chdir(tmp_path)
        os.environ["ODD"] = "1"
        warnings.simplefilter("error")
        np.seterr(all="raise")
        ctypes.CDLL("libm.so.6").fesetround(UPWARD)
        rounded = one + 1e-20
    now = Interruptions.read()
    assert (now.handlers, now.masked) == (interruptions.handlers, interruptions.masked)
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert Settings.read() == settings
    assert rounded > 1.0
    assert one + 1e-20 == 1.0, "to nearest"


def test_what_a_module_sets_holds_while_its_functions_run() -> None:
    before = sys.getrecursionlimit()
    with importing("deep"):
        sys.setrecursionlimit(before + 7)
    assert sys.getrecursionlimit() == before
    with calling("deep"):
        assert sys.getrecursionlimit() == before + 7
        sys.setrecursionlimit(before + 9)
    with calling("other"):
        assert sys.getrecursionlimit() == before
    with calling("deep"):
        assert sys.getrecursionlimit() == before + 7
    assert list_damage() == []


def test_what_cannot_be_put_back_is_listed() -> None:
    code = (
        "import resource\n"
        "from hpo.contract import calling, list_damage\n"
        "with calling('module'):\n"
        "    resource.setrlimit(resource.RLIMIT_NPROC, (10, 10))\n"
        "    import os; os.getuid() or os.setresuid(65534, 65534, 65534)\n"
        "print(list_damage())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout == "['a limit of resources']\n", done.stderr


def test_settings_of_pytorch_are_those_of_the_module_in_its_calls_alone() -> None:
    with importing("deterministic_module"):
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_float32_matmul_precision("high")
        torch.set_default_device("meta")
    assert _read_pytorch() == (False, "highest", torch.device("cpu"))
    with calling("deterministic_module"):
        assert _read_pytorch() == (True, "high", torch.device("meta"))
    assert _read_pytorch() == (False, "highest", torch.device("cpu"))


def _read_pytorch() -> tuple[bool, str, torch.device]:
    return (
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_float32_matmul_precision(),
        torch.empty(0).device,
    )

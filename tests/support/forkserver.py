"""Start Python programs in milliseconds, by a fork of a process with all imports done.

``running`` starts a server beside this process. Meanwhile ``subprocess`` sends it the
command lines ``python -m`` with one of ``PROGRAMS``, and ``python -c ...`` with slow
imports; all others start as usual. The result is a real process and a child of this
one, with its own pid, streams, session, signals, exit status, ``os.getppid()``, and
command line in /proc.

Differences: string hashes are the server's, and imports see the environment of the
server's start. A command line with another such environment starts as usual, and so do
all within ``genuine``.

A launch starts workers itself: it gets a server of its own, forked before it does
anything, so that its workers are its children. On systems other than Linux, all starts
are genuine.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import os
import pickle
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT, SUPPORT = Path(__file__).parents[2], Path(__file__).parent
PROGRAMS = ("hpo", "chaos", "reproduction", "pytest")
EXTRAS = ("gest_api",)
"""Packages that a module of ours needs, and that may be missing."""
READ_AT_START = ("LD_", "MPL", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "CUDA_")
ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")
}
_CLONE3, _CLONE_PARENT, _CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = (
    435,
    0x8000,
    1 << 21,
    1 << 24,
)
_PR_GET_TID_ADDRESS = 40
_TITLE_BYTES = 4096
_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(SUPPORT)!r}); import forkserver;"
    " forkserver.serve()"
)
_genuine_fork_exec = subprocess._fork_exec  # type: ignore[attr-defined]


def _program(line: Sequence[str]) -> tuple[str, str, list[str]] | None:
    """-m or -c, of what, and its arguments; None if it is started as ever.

    So is the keeper of a server: it must stay small.
    """
    python, *words = (word for word in line if word != "-P")
    if python != sys.executable or len(words) < 2:
        return None
    how, what, *arguments = words
    ours = what.split(".")[0] in PROGRAMS and not what.endswith(".embedded")
    heavy = "runpy" in what or "open_storage" in what
    return (
        (how, what, arguments)
        if (how == "-m" and ours) or (how == "-c" and heavy)
        else None
    )


class _Server:
    """A server that is a child of this process; without its near end, the first order
    starts it."""

    def __init__(self, end: socket.socket | None = None) -> None:
        self._end, self._mutex, self._own = (
            end,
            threading.Lock(),
            os.environ | ONE_THREAD,
        )

    def fork_exec(self, *given: Any) -> int:
        """Stands for that of ``subprocess``; returns the pid."""
        line, _, close_fds, passed, cwd, environment, stdin, _, _, stdout, _, stderr = (
            given[:12]
        )
        variables = dict(os.environ)
        if environment is not None:
            variables = dict(
                map(os.fsdecode, entry.split(b"=", 1)) for entry in environment
            )
        same = all(
            self._own.get(name) == value or ONE_THREAD.get(name) == value
            for name, value in variables.items()
            if name.startswith(READ_AT_START)
        )
        words = tuple(map(os.fsdecode, line))
        account = given[16:22] == (-1, None, None, None, -1, None)
        if not (
            same and account and close_fds and len(passed) == 1 and _program(words)
        ):
            return int(_genuine_fork_exec(*given))
        streams = [
            n if fd == -1 else fd for n, fd in enumerate((stdin, stdout, stderr))
        ]
        order = words, variables, os.fsdecode(cwd or os.getcwd()), bool(given[15])
        with self._mutex:
            end = self._end = self._end or _start()
            socket.send_fds(end, [b"."], streams)
            end.sendall(pickle.dumps(order))
            return int.from_bytes(end.recv(4))

    def install(self) -> None:
        """Have it start programs from now on."""
        if sys.platform == "linux":
            subprocess._fork_exec = self.fork_exec  # type: ignore[attr-defined]

    def close(self) -> None:
        """End it."""
        if self._end is not None:
            self._end.close()


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Meanwhile a server, which the first order starts, starts what programs are
    started."""
    server = _Server()
    try:
        server.install()
        yield
    finally:
        subprocess._fork_exec = _genuine_fork_exec  # type: ignore[attr-defined]
        server.close()


@contextlib.contextmanager
def genuine() -> Iterator[None]:
    """Here every program is started as a user's shell does."""
    used = subprocess._fork_exec  # type: ignore[attr-defined]
    subprocess._fork_exec = _genuine_fork_exec  # type: ignore[attr-defined]
    try:
        yield
    finally:
        subprocess._fork_exec = used  # type: ignore[attr-defined]


def _start() -> socket.socket:
    """Start a server, which ends when this process does; its near end."""
    near, far = socket.socketpair()
    environment = {**os.environ, **ONE_THREAD}
    environment.pop("PYTHONPATH", None)
    title = "x" * _TITLE_BYTES  # room for the command lines of what it becomes
    with genuine():
        subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(far.fileno()), title],
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=[far.fileno()],
        ).returncode = 0  # nobody waits for it
    far.close()
    return near


# The far end.


def serve() -> None:
    """Import all, and serve the process that started this one."""
    sys.path.remove(str(SUPPORT))
    base = list(sys.path)
    _preload()
    _serve(socket.socket(fileno=int(sys.argv[1])), base)


def _preload() -> None:
    """Import all modules of our programs, and do the work of a process's start once."""
    sys.path.insert(0, str(ROOT))
    sys.modules["pandas"] = None  # type: ignore[assignment]  # sklearn looks for it: pyarrow has a thread
    for module in pkgutil.walk_packages(
        importlib.import_module("hpo").__path__, "hpo."
    ):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
    for name in (
        "optuna_dashboard",
        "sklearn.datasets",
        "matplotlib.backends.backend_agg",
    ):
        importlib.import_module(name)
    importlib.import_module("hpo.objectives.training.warm_up").warm_up()
    sys.path.remove(str(ROOT))
    del sys.modules["pandas"]
    gc.collect()
    gc.freeze()
    assert len(os.listdir("/proc/self/task")) == 1, (
        "a thread would not survive the fork"
    )


def _serve(end: socket.socket, base: list[str]) -> None:
    """Start processes on order, until the client is gone."""
    for signum in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ):
        signal.signal(signum, signal.SIG_IGN)
    orders = end.makefile("rb")
    while True:
        more, streams, _, _ = socket.recv_fds(end, 1, 3)
        if not more:
            os._exit(0)
        order = pickle.load(orders)
        pid = _clone()
        if pid == 0:
            orders.close()
            end.close()
            _become(*order, streams, base)
        for stream in streams:
            os.close(stream)
        end.sendall(pid.to_bytes(4))


def _clone() -> int:
    """``os.fork``, but the child's parent is the parent of this process."""
    libc = ctypes.PyDLL(None, use_errno=True)
    tid = ctypes.c_void_p()
    libc.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(tid))
    flags = _CLONE_PARENT | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
    arguments = (ctypes.c_uint64 * 8)(flags, 0, tid.value or 0)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = int(libc.syscall(_CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments)))
    (
        ctypes.pythonapi.PyOS_AfterFork_Parent
        if pid
        else ctypes.pythonapi.PyOS_AfterFork_Child
    )()
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return pid


def _become(
    line: Sequence[str],
    environment: Mapping[str, str],
    cwd: str,
    new_session: bool,
    streams: list[int],
    base: list[str],
) -> None:
    """Become the process of an order, and end like it."""
    if new_session:
        os.setsid()
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    spare = [os.dup(stream) for stream in streams]  # some may be 0, 1 or 2 themselves
    for number, stream in enumerate(spare):
        os.dup2(stream, number)
    os.closerange(3, max(streams + spare) + 1)
    at_once = bool(environment.get("PYTHONUNBUFFERED")) or os.isatty(1)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", 1 if at_once else -1, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    _retitle(line)
    how, what, arguments = _program(line) or ("", "", [])
    if "launch" in " ".join([what, *arguments[:1]]) or what == "chaos":
        _serve_it_too(base)
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    first = [] if "-P" in line else [cwd if how == "-m" else ""]
    sys.path[:] = [*first, *filter(None, given), *base]
    sys.argv[:] = [how, *arguments]
    importlib.invalidate_caches()
    _end(lambda: _run(how, what))


def _run(how: str, what: str) -> None:
    if how == "-c":
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
        return
    for name in (what, f"{what}.__main__"):  # what runs as __main__ is loaded for that
        if not hasattr(sys.modules.get(name), "__path__"):
            sys.modules.pop(name, None)
    runpy.run_module(what, run_name="__main__", alter_sys=True)


def _end(work: Callable[[], None]) -> None:
    """Run it, and end as the interpreter would, which would take seconds to free all
    modules."""
    status, interrupted = 1, False
    try:
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        interrupted = isinstance(error, KeyboardInterrupt)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status & 0xFF)


def _serve_it_too(base: list[str]) -> None:
    near, far = socket.socketpair()
    if os.fork() == 0:
        near.close()
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(
            3
        ):  # its streams would seem to be in use for a moment after its end
            os.dup2(null, number)
        _serve(far, base)
    far.close()
    _Server(near).install()


def _retitle(line: Sequence[str]) -> None:
    """Write the command line to where /proc shows it: over that of the server."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    begin, end = int(fields[45]), int(fields[46])
    text = b"".join(os.fsencode(word) + b"\0" for word in line)[: end - begin - 1]
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, text, len(text))

"""Starts of Python programs in milliseconds: by fork from a process that has imported all already.

``running`` puts a server beside this process. Meanwhile ``subprocess`` has it start those lines
that say ``python -m hpo...``, or ``python -c ...`` with ``runpy``; everything else is started as
ever, so that it can be asked what it has imported. What is started is a real process of its own,
and a child of this one: its pid, its streams, its session, its signals, its exit status, its
command line in /proc, ``os.getppid()`` in it.

What can differ: string hashes are the server's; what is read from the environment during imports is
as if set when the server began. A line whose environment says otherwise is started as ever, and so
are all within ``genuine``.

A launch and a crew start workers themselves: each gets a server of its own, forked before it does
anything, so that its workers are its children.

On systems other than Linux, all starts are genuine.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import os
import pickle
import pkgutil
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

ROOT, SUPPORT = Path(__file__).parents[2], Path(__file__).parent
PRELOADED = ("hpo", "objectives", "optuna_dashboard", "sklearn.datasets")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
READ_AT_START = ("PYTHON", "LD_", "MPL", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "CUDA_")
HEEDED = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
HEAVY = ("runpy", "open_storage")
STARTERS = ("launch", "crew", "chaos")
_CLONE3, _CLONE_PARENT, _CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 435, 0x8000, 1 << 21, 1 << 24
_PR_GET_TID_ADDRESS = 40
_TITLE_BYTES = 4096
_HEADER = struct.Struct("!I")
_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(SUPPORT)!r}); import forkserver; forkserver.serve()"
)

_genuine_fork_exec: Callable[..., int] = subprocess._fork_exec  # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Order:
    """A program to be started; its streams come beside it."""

    line: tuple[str, ...]
    """The command line."""
    environment: Mapping[str, str]
    cwd: str
    new_session: bool

    @property
    def program(self) -> tuple[str, str, list[str]] | None:
        """-m or -c, of what, and its arguments; None if it is started as ever.

        So is the keeper of a server: it must stay small.
        """
        python, *words = (word for word in self.line if word != "-P")
        if words[1:2] == ["hpo.postgres.embedded.keeper"]:
            return None
        if python != sys.executable or len(words) < 2 or words[0] not in ("-m", "-c"):
            return None
        ours = words[1].split(".")[0] in ("hpo", "chaos")
        if not ours and not any(word in words[1] for word in HEAVY):
            return None
        return words[0], words[1], words[2:]

    @property
    def starts_workers(self) -> bool:
        """Whether it may start workers itself."""
        how, what, arguments = self.program or ("", "", [])
        return how == "-m" and any(word in " ".join([what, *arguments[:1]]) for word in STARTERS)


class _Server:
    """A server that is a child of this process; without its near end, the first order starts it."""

    def __init__(self, end: socket.socket | None = None) -> None:
        self._end, self._mutex = end, threading.Lock()
        self._own = _read_at_start(os.environ)

    def fork_exec(
        self,
        line: Sequence[str | bytes],
        executables: Sequence[bytes],
        close_fds: bool,
        pass_fds: tuple[int, ...],
        cwd: str | None,
        environment: Sequence[bytes] | None,
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        errpipe_read: int,
        errpipe_write: int,
        restore_signals: bool,
        start_new_session: bool,
        *rest: Any,
    ) -> int:
        """Stands for that of ``subprocess``; returns the pid."""
        if environment is None:
            variables = dict(os.environ)
        else:
            variables = dict(map(os.fsdecode, e.split(b"=", 1)) for e in environment)  # type: ignore[misc]
        order = _Order(
            tuple(map(os.fsdecode, line)), variables, os.fsdecode(cwd or os.getcwd()),
            bool(start_new_session),
        )  # fmt: skip
        process_group, gid, groups, uid, umask, before_exec, *_ = rest
        plain = close_fds and len(pass_fds) == 1 and restore_signals
        plain = plain and (process_group, gid, groups, uid, umask) == (-1, None, None, None, -1)
        same = _read_at_start(variables) == self._own
        if not plain or before_exec is not None or not same or order.program is None:
            return _genuine_fork_exec(
                line, executables, close_fds, pass_fds, cwd, environment, p2cread, p2cwrite,
                c2pread, c2pwrite, errread, errwrite, errpipe_read, errpipe_write,
                restore_signals, start_new_session, *rest,
            )  # fmt: skip
        given = (p2cread, c2pwrite, errwrite)
        streams = [i if fd == -1 else fd for i, fd in enumerate(given)]
        text = pickle.dumps(order)
        with self._mutex:
            end = self._end = self._end or _start()
            socket.send_fds(end, [_HEADER.pack(len(text))], streams)
            end.sendall(text)
            (pid,) = _HEADER.unpack(_receive(end, _HEADER.size))
        return int(pid)

    def close(self) -> None:
        """End the server."""
        if self._end is not None:
            self._end.close()


def _read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
    """What imports may have read, other than that there shall be one thread."""
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(READ_AT_START)
        and name not in HEEDED
        and not (name in THREADS and value == "1")
    }


def _receive(end: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        part = end.recv(size - len(got))
        if not part:
            raise EOFError
        got += part
    return got


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Meanwhile a server, which the first order starts, starts what programs are started."""
    server = _Server()
    try:
        install(server)
        yield
    finally:
        subprocess._fork_exec = _genuine_fork_exec  # type: ignore[attr-defined]
        server.close()


def install(server: _Server) -> None:
    """Have a server start programs from now on."""
    if sys.platform == "linux":
        subprocess._fork_exec = server.fork_exec  # type: ignore[attr-defined]


def _start() -> socket.socket:
    """Start a server, which ends when this process does; its near end."""
    near, far = socket.socketpair()
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    environment.pop("PYTHONPATH", None)
    with genuine():
        subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(far.fileno()), "x" * _TITLE_BYTES],
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=[far.fileno()],
        ).returncode = 0  # nobody waits for it
    far.close()
    return near


@contextlib.contextmanager
def genuine() -> Iterator[None]:
    """Here every program is started as a user's shell does."""
    used = subprocess._fork_exec  # type: ignore[attr-defined]
    subprocess._fork_exec = _genuine_fork_exec  # type: ignore[attr-defined]
    try:
        yield
    finally:
        subprocess._fork_exec = used  # type: ignore[attr-defined]


# The far end.


def serve() -> None:
    """Import all, and serve the process that started this one."""
    sys.path.remove(str(SUPPORT))
    base = list(sys.path)
    _preload()
    _serve(socket.socket(fileno=int(sys.argv[1])), base)


def _preload() -> None:
    """Import what programs of ours import, in time, and do once what is done once a process."""
    sys.path.insert(0, str(ROOT))
    sys.modules["pandas"] = None  # type: ignore[assignment]  # sklearn looks for it: pyarrow has a thread
    for name in PRELOADED:
        module = importlib.import_module(name)
        for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
            if name in ("hpo", "objectives") and not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    from objectives.networks.kernels.autograd import warm_up

    warm_up()
    _draw_something()
    sys.path.remove(str(ROOT))
    del sys.modules["pandas"]
    for name, module in list(sys.modules.items()):  # what is run as __main__ is loaded for that
        ours = name.startswith("hpo.") and not hasattr(module, "__path__")
        if ours and 'if __name__ == "__main__"' in Path(module.__file__ or os.devnull).read_text():
            del sys.modules[name]
    gc.collect()
    gc.freeze()
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would not survive the fork"


def _draw_something() -> None:
    """Have matplotlib find its fonts, and Pillow its formats."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    figure.add_subplot().plot([1.0, 2.0], label="$x^2$")
    FigureCanvasAgg(figure).print_png(io.BytesIO())


def _serve(end: socket.socket, base: list[str]) -> None:
    """Start what is asked for, until whom it serves is gone; returns in the children alone."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(signum, signal.SIG_IGN)
    while True:
        head, streams, _, _ = socket.recv_fds(end, _HEADER.size, 3)
        if not head:
            os._exit(0)
        head += _receive(end, _HEADER.size - len(head))
        order: _Order = pickle.loads(_receive(end, *_HEADER.unpack(head)))
        pid = _clone()
        if pid == 0:
            end.close()
            _become(order, streams, base)
        for stream in streams:
            os.close(stream)
        end.sendall(_HEADER.pack(pid))


def _clone() -> int:
    """``os.fork``, but the child's parent is the parent of this process."""
    libc = ctypes.PyDLL(None, use_errno=True)
    tid = ctypes.c_void_p()
    libc.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(tid))
    flags = _CLONE_PARENT | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
    arguments = (ctypes.c_uint64 * 8)(flags, 0, tid.value or 0)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = int(libc.syscall(_CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments)))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    else:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return pid


def _become(order: _Order, streams: list[int], base: list[str]) -> None:
    """Turn into what was asked for, and end as it does."""
    if order.new_session:
        os.setsid()
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    spare = [os.dup(stream) for stream in streams]  # some may be 0, 1 or 2 themselves
    for number, stream in enumerate(spare):
        os.dup2(stream, number)
    os.closerange(3, max(streams + spare) + 1)
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.environment)
    _retitle(order.line)
    if order.starts_workers:
        _serve_it_too(base)
    assert order.program is not None
    how, what, arguments = order.program
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    first = [] if "-P" in order.line else [order.cwd if how == "-m" else ""]
    sys.path[:] = [*first, *filter(None, given), *base]
    importlib.invalidate_caches()
    sys.stdin = _stream(0, "r", "strict")
    sys.stdout = _stream(1, "w", "strict")
    sys.stderr = _stream(2, "w", "backslashreplace", by_line=True)
    _end(lambda: _run(how, what, arguments))


def _stream(number: int, mode: str, errors: str, *, by_line: bool = False) -> TextIO:
    """As the interpreter opens it at its start."""
    if mode == "w" and os.environ.get("PYTHONUNBUFFERED"):
        raw = io.FileIO(number, mode, closefd=False)
        return io.TextIOWrapper(raw, errors=errors, write_through=True)  # type: ignore[type-var]
    stream = open(number, mode, errors=errors, closefd=False)  # noqa: SIM115
    assert isinstance(stream, io.TextIOWrapper)
    stream.reconfigure(line_buffering=by_line or os.isatty(number))
    return stream


def _serve_it_too(base: list[str]) -> None:
    near, far = socket.socketpair()
    if os.fork() == 0:
        near.close()
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):  # its streams would seem to be in use for a moment after its end
            os.dup2(null, number)
        os.close(null)
        _serve(far, base)
    far.close()
    install(_Server(near))


def _run(how: str, what: str, arguments: list[str]) -> None:
    sys.argv[:] = [how, *arguments]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    exec(compile(what, "<string>", "exec"), main.__dict__)


def _end(work: Callable[[], None]) -> None:
    """Run it, and end the process as the interpreter would."""
    status, interrupted = 0, False
    try:
        work()
    except SystemExit as end:
        if isinstance(end.code, int):
            status = end.code
        elif end.code is not None:
            print(end.code, file=sys.stderr)
            status = 1
    except KeyboardInterrupt:
        traceback.print_exc()
        interrupted = True
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = 120
    sys.stderr.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status & 0xFF)


def _retitle(line: Sequence[str]) -> None:
    """Write the command line to where /proc shows it: over that of the server."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    begin, end = int(fields[45]), int(fields[46])
    text = b"".join(os.fsencode(word) + b"\0" for word in line)[: end - begin - 1]
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, text, len(text))

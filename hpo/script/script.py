"""A user's script with a function ``objective(trial)``, as Optuna runs it.

``train.py:objective`` names the function ``objective`` of the file ``train.py``. The
script is imported as ``python train.py`` would run it, but not as ``__main__``: its
folder is first on the path, and ``sys.argv`` holds its arguments.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from hpo.contract import ExitedError, importing
from hpo.errors import SpecError
from hpo.provenance import source
from hpo.script.seeding import restored, seed_held_generators, seeded

Function = Callable[[Any], Any]
"""Takes an ``optuna.Trial``, and returns a value, or a sequence of values."""


def is_script(objective: str) -> bool:
    """Return whether the name of an objective is that of a function in a file.

    Examples:
        >>> is_script("train.py:objective"), is_script("my_package.module:MyObjective")
        (True, False)
    """
    return objective.partition(":")[0].endswith(".py")


@dataclass(frozen=True)
class Script:
    """A function of a script, with the arguments of the script."""

    path: Path
    """File of the script, absolute."""
    function: str
    arguments: tuple[str, ...] = ()
    """What follows the name of the script in ``sys.argv``."""

    @classmethod
    def named(
        cls, objective: str, folder: Path, arguments: Sequence[str] = ()
    ) -> Script:
        """Return the script that an objective names.

        Args:
            objective: ``train.py:objective``.
            folder: directory in which a relative path begins.
            arguments: of the script.
        """
        path, _, function = objective.partition(":")
        absolute = (folder / path).absolute()
        return cls(absolute, function or "objective", tuple(arguments))

    def __str__(self) -> str:
        """Return the name of the function for messages."""
        return f"{self.path.name}:{self.function}"

    def load(self) -> Function:
        """Import the script, once in a process, and return its function.

        It puts the script's folder first on ``sys.path``, and imports whatever the
        script does.

        Raises:
            SpecError: the import fails or begins to optimise, or the function does
                not take one argument, the trial.
        """
        return _load(self)

    @contextmanager
    def as_called(self, seed: int) -> Iterator[None]:
        """Let ``sys.argv`` be that of the script within the block, and seed what it
        draws from: the global generators, and those that its modules hold.

        Within the block, ``n_jobs`` of scikit-learn starts no processes: they would
        have seeds of their own, and the workers fill the cores.

        Args:
            seed: from 0 to 2**31 - 1.
        """
        from unittest.mock import patch  # a slow import

        import joblib

        seed_held_generators(seed, _list_holders())
        one_process = joblib.parallel_config(backend="sequential")
        argv = [str(self.path), *self.arguments]
        with one_process, seeded(seed), patch.object(sys, "argv", argv):
            yield

    def find(self, name: str) -> Path | None:
        """Return the file of a module that counts, the script among them; None for
        other names."""
        return self._find_beside(name) or source.find(name)

    def _find_beside(self, name: str) -> Path | None:
        if name == self.path.stem:
            return self.path
        inner = self.path.parent.joinpath(*name.split("."))
        for path in (inner.with_suffix(".py"), inner / "__init__.py"):
            if path.is_file():
                return path
        return None

    def hashes(self) -> dict[str, str]:
        """Return a hash of the script, and of each module that it imports and that is
        not installed.

        Comments, docstrings and blank lines do not count.
        """

        def read(name: str) -> source.Module | None:
            path = self._find_beside(name)
            if path is not None:
                return source.read_source(name, path)
            return source.read_module(name)

        return source.hash_imports([self.path.stem], read)


def _check_source(path: Path) -> None:
    """Check that a script is there, and is Python."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(
            f"{path}: no such script ({error.strerror}). Check the path."
        ) from None
    try:
        ast.parse(importlib.util.decode_source(content))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = path.name if line is None else f"{path.name}:{line}"
        raise SpecError(f"{place}: not valid Python: {error}.") from None


_folders: list[Path] = []
"""Folder of the script that this process has imported last, if any."""


@lru_cache(maxsize=1)
def _load(script: Script) -> Function:
    _check_source(script.path)
    name = script.path.stem
    _forget_last()
    _folders.append(script.path.parent)
    sys.path.insert(0, str(script.path.parent))
    spec = importlib.util.spec_from_file_location(name, script.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _undisturbed(script), script.as_called(0), _refuse_studies(script):
            spec.loader.exec_module(module)
    except SpecError:
        raise
    except ExitedError as error:
        raise SpecError(
            f"{script.path.name} {error} as it was imported."
            " If it lacks arguments, give them after --, as in: hpo launch"
            f" {script} -- --data x.csv."
        ) from None
    except Exception as error:
        line = _find_line(error, script.path)
        raise SpecError(
            f"{script.path.name}{line} cannot be imported: {type(error).__name__}:"
            f" {str(error).rstrip('.')}. Correct it, or install what it lacks."
        ) from error
    function: Function | None = getattr(module, script.function, None)
    if function is None:
        functions = inspect.getmembers(module, inspect.isfunction)
        own = [key for key, value in functions if value.__module__ == name]
        raise SpecError(
            f"{script.path.name} has no function {script.function!r}. Its functions:"
            f" {', '.join(own) or 'none'}. Name one: {script.path.name}:FUNCTION."
            " A function inside another must move to the top of the file."
        )
    _check_signature(script, function)
    return function


@contextmanager
def _undisturbed(script: Script) -> Iterator[None]:
    """Keep what a script prints off stdout, which may be JSON, and put back what it
    changes in this process, with the state of random generators."""
    with importing(str(script.path)), restored(), redirect_stdout(sys.stderr):
        yield


def _forget_last() -> None:
    """Forget the modules of the last script's folder: another may have the same
    names."""
    for name in _list_modules():
        del sys.modules[name]
    while _folders:
        folder = _folders.pop()
        with suppress(ValueError):
            sys.path.remove(str(folder))


def _list_modules() -> dict[str, ModuleType]:
    """Return the modules of the last script's folder by name, the script among them."""
    own = {}
    for name, module in sys.modules.items():
        file = getattr(module, "__file__", None) or ""
        for folder in _folders:
            if file.startswith(str(folder)) and _is_beside(Path(file), folder, name):
                own[name] = module
    return own


def _list_holders() -> list[Any]:
    """Return these modules, and the objects of their own classes that they hold."""
    modules = _list_modules()
    holders: list[Any] = [*modules.values()]
    for module in modules.values():
        for value in vars(module).values():
            if type(value).__module__ in modules and hasattr(value, "__dict__"):
                holders.append(value)
    return holders


def _is_beside(file: Path, folder: Path, name: str) -> bool:
    """Return whether a module is one of a folder, or belongs to a package of it."""
    top, *_ = name.split(".")
    is_own = file in (folder / f"{top}.py", folder / top / "__init__.py")
    is_inside = file.is_relative_to(folder / top)
    return top != "hpo" and (is_own or is_inside)


def _find_line(error: Exception, path: Path) -> str:
    """Return ``:12`` of the script's last line in a traceback; empty without one."""
    line = ""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _check_signature(script: Script, function: Any) -> None:
    if isinstance(function, type) or not callable(function):
        raise SpecError(
            f"{script} is not a function: {function!r}. Name one that takes a trial"
            " and returns a value."
        )
    with suppress(ValueError):  # a callable without a signature
        signature = inspect.signature(function)
        try:
            signature.bind(None)
        except TypeError:
            raise SpecError(
                f"{script}{signature} must take one argument, the trial. Give the"
                " others defaults, or name another function."
            ) from None


_importing: list[Script] = []
"""The script that is being imported, if any."""


def refuse_while_imported() -> None:
    """Refuse to optimise while a script is imported: that belongs into its ``__main__``
    part.

    Raises:
        SpecError: a script is being imported.
    """
    for script in _importing:
        raise SpecError(
            f"{script.path.name} optimises as it is imported. Put that under"
            ' `if __name__ == "__main__":`; its function stays as it is.'
        )


@contextmanager
def _refuse_studies(script: Script) -> Iterator[None]:
    """Let Optuna's studies and ``hpo.launch`` refuse to optimise."""
    from unittest.mock import patch  # a slow import

    import optuna

    def refuse(*arguments: Any, **options: Any) -> None:
        refuse_while_imported()

    _importing.append(script)
    try:
        with patch.object(optuna.Study, "optimize", refuse):
            yield
    finally:
        _importing.pop()

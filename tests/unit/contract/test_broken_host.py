"""Errors of a trial are no errors of its host."""

import mmap
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hpo.contract.broken_host import explain_broken_host, is_out_of_memory


def test_code_that_a_trial_runs_is_no_import(tmp_path: Path) -> None:
    script = tmp_path / "divides.py"
    script.write_text("1 / 0\n", encoding="utf-8")
    assert _explain(lambda: eval("1 / 0")) is None
    assert _explain(lambda: runpy.run_path(str(script))) is None


def test_a_module_that_raises_as_it_is_imported_is_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "divides_too.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    why = "an import fails here: ZeroDivisionError: division by zero"
    assert _explain(lambda: __import__("divides_too")) == why


def test_a_full_disk_is_the_hosts() -> None:
    why = "a disk fails here: OSError: [Errno 28] No space left on device"
    assert _explain(lambda: Path("/dev/full").write_text("x")) == why
    assert _explain(lambda: Path("/nowhere/to/be/found").read_text()) is None


@pytest.mark.parametrize(
    ("call", "is_it"),
    [
        (lambda: mmap.mmap(-1, 2**60), True),
        (lambda: bytearray(2**60), True),
        (lambda: _fail("std::bad_alloc"), True),  # of PyTorch, as the next one
        (lambda: _fail("[enforce] DefaultCPUAllocator: can't allocate memory"), True),
        (lambda: _fail("the toy breaks"), False),
        (lambda: _fail_inside("returned NULL without setting an exception"), True),
        (lambda: _fail_inside("bad argument to internal function"), False),
        (lambda: Path("/dev/full").write_text("x"), False),
    ],
)
def test_too_little_memory_has_many_names(
    call: Callable[[], object], is_it: bool
) -> None:
    assert is_out_of_memory(_catch(call)) == is_it


def _fail(words: str) -> None:
    raise RuntimeError(words)


def _fail_inside(words: str) -> None:
    raise SystemError(f"<built-in method run> {words}")


def _catch(call: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return caught.value


def _explain(call: Callable[[], object]) -> str | None:
    return explain_broken_host(_catch(call))

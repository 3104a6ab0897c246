"""``hpo fit``: the parameters of a device, from what was measured of it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hpo.cli.common import show, tell, terminal_width
from hpo.console import JSON, OPEN, argument, command
from hpo.errors import HpoError
from hpo.files import check_ending, check_writable, read_toml, writing

if TYPE_CHECKING:
    from hpo.objectives.fitting.result import Fit


class Target(NamedTuple):
    """Where a preset is written."""

    file: Path
    name: str
    """Of the table, which the file does not have yet."""

    def __str__(self) -> str:
        """Return it as a study names it."""
        return f"{self.file}:{self.name}"


@command(
    argument(
        "device", metavar="DEVICE", help="spintronic, or package.module:Class of yours"
    ),
    argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="measurements: .csv, .h5, .npz, .parquet, ...",
    ),
    argument(
        "--fixed",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=(
            "a parameter that is known, threshold_ma, or the scale or offset of the"
            " values; may be repeated"
        ),
    ),
    argument(
        "--preset",
        metavar="FILE.toml:NAME",
        help="where to write the device (default: the first file's name for both)",
    ),
    argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="figure of data, fit and residuals (default: ./NAME-fit.html)",
    ),
    OPEN,
    JSON,
)
def fit(arguments: argparse.Namespace) -> int:
    """Estimate the parameters of a device from what was measured of it.

    Reads power against current, time traces, or both, and simulates the device's own
    equation. Columns: current_ma; power (the amplitude of the device) or output (after
    its read-out filter), in any unit; time_ns of traces. Columns that may be missing:
    device, the name of each; trace, the number of each trace; sd, the standard
    deviation of a value. The current of a row lasts until the next one. Before its
    first row, a trace was at rest under the current of that row.

    Prints each parameter with its 95 % interval, and of several devices mean and spread
    without the error of the estimates. What the data do not determine is said to be so,
    and is not written. Power at rest tells threshold_ma and thermal_power; traces tell
    tau_ns, too, and f_cut_per_ns only as output. A study names the device that is
    written: device = "lab.toml:stno".

    Intervals are for white noise of the read-out. They lack the error of the equation
    itself, such as that of its mean effect of thermal noise.

    Examples:
        hpo fit spintronic --data traces.csv --preset lab.toml:stno
            estimate all parameters, and write the table [stno] into lab.toml
        hpo fit spintronic --data sweep.csv traces.h5 --fixed offset=0 --open
            use two files at once, of powers whose background is subtracted
        hpo fit my_node:MyNode --data traces.csv --json | jq .parameters.tau_ns
            estimate a device of your own, and print one parameter for a program
        hpo guide --device lab.toml:stno
            print what works for the oscillator that was measured
    """
    target = _choose_target(arguments)
    page: Path = arguments.output or Path(f"{target.name}-fit.html")
    check_ending(page, ".html")
    for path in (target.file, page):
        check_writable(path)
    found = _fit(arguments)
    _check_found(found)
    _write(arguments, found, target, page)
    _tell(arguments, found, target, page)
    show(arguments, page)
    return 0


def _check_found(found: Fit) -> None:
    """Refuse a fit that says nothing of the device.

    Raises:
        HpoError: no parameter has an end of an interval, and none was given.
    """
    estimates = [one.estimate for one in found.parameters.values()]
    if not found.fixed and all(one.is_unseen for one in estimates):
        raise HpoError(
            "hpo fit: the data determine no parameter, so nothing is written. Measure"
            " below and above the threshold current, with less noise."
        )


def _write(
    arguments: argparse.Namespace, found: Fit, target: Target, page: Path
) -> None:
    """Write the preset and the page with the figure."""
    from hpo.views.pages import fits as pages
    from hpo.views.records import fits as records

    _append(target, records.preset(found, arguments.data))
    with writing(page) as draft:
        draft.write_text(pages.page(found, arguments.command), encoding="utf-8")


def _tell(
    arguments: argparse.Namespace, found: Fit, target: Target, page: Path
) -> None:
    """Print what was found, and where it is."""
    from hpo.views.records import fits as records
    from hpo.views.sentences import fits as words
    from hpo.views.terminal import text_tables

    record = {"preset": str(target), "figure": str(page), **records.record(found)}
    lines = text_tables.columns(words.rows(found), width=terminal_width())
    lines += words.notes(found)
    tell(arguments, record, words.heading(found), *lines, str(target), page)


def _fit(arguments: argparse.Namespace) -> Fit:
    """Return what the files say of the device.

    Raises:
        HpoError: there is no such device, or a file breaks a rule.
    """
    from hpo import objectives
    from hpo.study.messages import explained

    try:
        model = objectives.load(arguments.device).Params
    except LookupError as error:
        raise HpoError(f"{error}.") from None
    given = _given(arguments.fixed)
    with explained("hpo fit", model):
        found: Fit = objectives.fit_device(arguments.device, arguments.data, given)
    return found


def _given(texts: list[str]) -> dict[str, float]:
    """Return the values of ``--fixed`` by name.

    Raises:
        HpoError: one is no number.
    """
    given = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            given[name.strip()] = float(value)
        except ValueError:
            raise HpoError(
                f"--fixed {text}: expected NAME=VALUE with a number. Write for instance"
                " --fixed thermal_power=1e-3."
            ) from None
    return given


def _choose_target(arguments: argparse.Namespace) -> Target:
    """Return where to write the preset.

    Raises:
        HpoError: the name is none, or the file has such a table.
    """
    stem = arguments.data[0].stem
    text = arguments.preset or f"{stem}.toml:{stem}"
    before, _, name = text.rpartition(":")
    file = Path(before)
    if not before or not name:
        raise HpoError(
            f"--preset {text}: expected FILE.toml:NAME. Write for instance --preset"
            " lab.toml:stno."
        )
    check_ending(file, ".toml")
    if file.exists() and name in read_toml(file, HpoError):
        raise HpoError(
            f"{file}: it has a table [{name}] already. Take another name: --preset"
            f" {file}:NEW."
        )
    return Target(file, name)


def _append(target: Target, table: dict[str, Any]) -> None:
    """Write a table at the end of a file."""
    import tomli_w

    text = tomli_w.dumps({target.name: table})
    text = re.sub(r"\[\n\s+(\S+),\n\s+(\S+),\n\]", r"[\1, \2]", text)
    if target.file.exists():
        before = target.file.read_text(encoding="utf-8-sig").rstrip("\n")
        text = f"{before}\n\n{text}"
    with writing(target.file) as draft:
        draft.write_text(text, encoding="utf-8")

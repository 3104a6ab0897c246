"""What is said of data that nothing can use.

Each file in ``refusals`` is a kind of data; then come files, arrays or keys with
another content, written as Python, and below them what this is refused with. "…" is the
directory, "..." are words of Python or NumPy.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import recordings
from numpy.typing import NDArray

from hpo.objectives.data.tasks.arrays import ArraysParams
from hpo.objectives.data.tasks.fashion_mnist import FashionMnistParams
from hpo.objectives.data.tasks.own_series import OwnSeriesParams
from hpo.objectives.data.tasks.recorded import RecordedParams
from hpo.objectives.data.tasks.spoken_digits import SpokenDigitsParams
from hpo.objectives.data.tasks.ucr import UcrParams
from hpo.objectives.hardware.variability import Variability

FILES = sorted(Path(__file__).with_name("refusals").glob("*.txt"))


def with_value(value: float) -> NDArray[np.float64]:
    x = recordings.series()
    x[4, 2, 1] = value
    return x


def ending_in_nan(broken: int | None = None, value: float = 0.0) -> NDArray[np.float64]:
    x = recordings.ending_in_nan()
    if broken is not None:
        x[broken, 1, 0] = value
    return x


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def with_header(header: str) -> bytes:
    text = header.ljust(118).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def zipped(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def encrypt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for mark, place in (
        (b"PK\x03\x04", 6),
        (b"PK\x01\x02", 8),
    ):  # the flags of both headers
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)


def write(folder: Path, files: dict[str, str | bytes | None]) -> None:
    for name, content in files.items():
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(
                content.encode() if isinstance(content, str) else content
            )


def of_arrays(
    folder: Path, pad: Any = None, validation_folds: int = 1, **changes: Any
) -> RecordedParams:
    recordings.save(folder / "data.npz", **changes)
    return ArraysParams(path="data.npz", pad=pad, validation_folds=validation_folds)


def of_npz(
    folder: Path, file: Callable[[Path], Any] = id, path: str = "data.npz"
) -> RecordedParams:
    file(folder / "data.npz")
    return ArraysParams(path=path)


def of_csv(folder: Path, **files: Any) -> RecordedParams:
    directory = recordings.save_csv(
        folder / "s", recordings.series(), recordings.labels()
    )
    write(directory, files)
    return ArraysParams(path="s")


def of_images(folder: Path, n_train: int | None = None, **files: Any) -> RecordedParams:
    datasets.save_images(folder, packed=any(name.endswith(".gz") for name in files))
    write(folder, files)
    return FashionMnistParams(path=str(folder), n_train=n_train)


def of_idx(folder: Path, **files: Any) -> RecordedParams:
    write(datasets.save_images(folder, packed=False), files)
    return ArraysParams(path=str(folder))


def of_digits(folder: Path, test_speakers: Any = (), **changes: Any) -> RecordedParams:
    path = datasets.save_recordings(folder / "d.npz")
    whole = {**np.load(path), **changes}
    np.savez(
        path, **{name: array for name, array in whole.items() if array is not None}
    )
    return SpokenDigitsParams(path=str(path), test_speakers=test_speakers)


def of_ts(folder: Path, **files: Any) -> RecordedParams:
    write(datasets.save_ts(folder), files)
    return UcrParams(path=str(folder))


def of_series(
    folder: Path, csv: str = "a,b,c\n1,2,3\n", **changes: Any
) -> OwnSeriesParams:
    arrays = {
        name: changes.pop(name, np.sin(np.arange(600.0))) for name in ("u", "target")
    }
    np.savez(
        folder / "own.npz",
        **{n: array for n, array in arrays.items() if array is not None},
    )
    (folder / "own.csv").write_text(csv)
    return OwnSeriesParams(**{"path": "own.npz", **changes})


def of_devices(
    folder: Path, text: str | None = "tau_ns\n1\n", **changes: Any
) -> Variability:
    if text is not None:
        (folder / "devices.csv").write_text(text)
    return Variability(devices="devices.csv", **changes)


WRITERS = (
    of_arrays,
    of_npz,
    of_csv,
    of_images,
    of_idx,
    of_digits,
    of_ts,
    of_series,
    of_devices,
)
KINDS: dict[str, Callable[..., Any]] = {
    kind.__name__.removeprefix("of_"): kind for kind in WRITERS
}
LINE = f"{datasets.HEADER}1,2:3,4:1\n"
NAMES = {
    **vars(recordings),
    **vars(datasets),
    **globals(),
    "nan": np.nan,
    "inf": np.inf,
}


def mistakes() -> list[Any]:
    """Each a kind of data, what is changed, and the message in one line."""
    cases = []
    for path in FILES:
        text = path.read_text(encoding="utf-8").partition("\n\n")[2]
        found = re.findall(r"(^\S.*\n)((?:^    \S.*\n)+)", text, re.MULTILINE)
        assert "".join(map("".join, found)) == text, path
        for line, message in found:
            name = f"{path.stem}: {line.strip()[:60]}"
            cases.append(
                pytest.param(path.stem, line, " ".join(message.split()), id=name)
            )
    return cases


def changed(line: str) -> dict[str, Any]:
    """The keys of a line with their values."""
    pairs = (part.split(" = ", 1) for part in line.strip().split("; "))
    return {key: eval(value, NAMES) for key, value in pairs}


@pytest.mark.parametrize(("kind", "line", "message"), mistakes())
def test_data_are_refused_in_words(
    kind: str, line: str, message: str, tmp_path: Path
) -> None:
    task = KINDS[kind](tmp_path, **changed(line))
    with pytest.raises(ValueError, match=r"expected|cannot") as caught:
        task.resolve(tmp_path)
    said = str(caught.value).replace(str(tmp_path), "…").replace("\0", "\\0")
    wanted = re.escape(message).replace(re.escape("..."), ".*")
    assert re.fullmatch(wanted, " ".join(said.split())), said

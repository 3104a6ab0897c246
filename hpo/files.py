"""Files that commands write: the format follows from the name, and no file is left
half-written."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hpo.errors import HpoError

_DEEPEST = 50
"""No file of ours has tables and lists so deep in others."""


def check_ending(path: Path, *endings: str) -> None:
    """Check the ending of a file name, before anything is read or trained.

    Raises:
        HpoError: the name has another ending.
    """
    if path.suffix not in endings:
        valid = " or ".join(filter(None, [", ".join(endings[:-1]), endings[-1]]))
        raise HpoError(
            f"{path}: expected the ending {valid}, got {path.suffix or 'none'}."
        )


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield the path of a draft, which replaces the file at the end if it was written.

    Raises:
        HpoError: the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "it is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        if draft.exists():
            os.replace(draft, path)
    except OSError as error:
        raise HpoError(
            f"{path}: cannot be written: {error.strerror or error}."
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()


def read_toml(path: Path, refusal: type[HpoError]) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        HpoError: of the kind ``refusal``: the file cannot be read, or is not TOML.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        _check_depth(tables)
    except (ValueError, RecursionError) as error:  # not UTF-8, or an endless number
        raise refusal(f"{path}: not valid TOML: {error}. Correct it.") from None
    except OSError as error:
        raise refusal(f"{path}: cannot be read: {error.strerror}.") from None
    return tables


def _check_depth(tables: dict[str, Any]) -> None:
    """Check that tables and lists lie in few others, level by level."""
    level: list[Any] = [tables]
    for _ in range(_DEEPEST):
        inside: list[Any] = []
        for node in level:
            inside += node.values() if isinstance(node, dict) else node
        level = [node for node in inside if isinstance(node, dict | list)]
    if level:
        raise ValueError(f"tables or lists lie more than {_DEEPEST} deep")


def write_new(texts: Mapping[Path, str]) -> None:
    """Write new files, or none if there is another one under one of the names.

    Raises:
        HpoError: there is.
    """
    for path, text in texts.items():
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise HpoError(
                f"{path}: the file exists already. Move it, or take another name."
            )
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


def render(package: str, template: str, **values: Any) -> str:
    """Return the text of a template in a package's folder ``templates``."""
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader(package)
    templates = Environment(loader=loader, keep_trailing_newline=True)
    return templates.get_template(template).render(**values)


def check_writable(path: Path) -> None:
    """Check, before long work, that a file can be written: make its folder, write a
    draft and delete it. The folder stays.

    Raises:
        HpoError: the file cannot be written.
    """
    with writing(path) as draft:
        draft.touch()
        draft.unlink()

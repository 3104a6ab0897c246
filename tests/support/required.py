"""Programs that some tests need and not every machine has.

Without one, its tests are skipped with the reason;
`HPO_TESTS_REQUIRE=chromium,postgres`, as CI sets it, turns these skips into failures.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def missing(name: str, why: str) -> None:
    """Skip the test, or fail it where `name` must be there."""
    if name in os.environ.get("HPO_TESTS_REQUIRE", "").split(","):
        pytest.fail(f"HPO_TESTS_REQUIRE asks for {name}, but {why}")
    pytest.skip(why)


def program(name: str, *others: str) -> str:
    """The path of a program, which may be called otherwise or stand elsewhere."""
    for known in (name, *others):
        if path := shutil.which(known):
            return path
    missing(name, f"no {name} was found in PATH: apt install {name}")
    raise AssertionError


def postgres_with_tls() -> Path:
    """The directory of the programs of a PostgreSQL that was built with OpenSSL."""
    for config in sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_config"), reverse=True
    ):
        if b"openssl" in subprocess.check_output([config, "--configure"]):
            return config.parent
    missing("postgres", "no PostgreSQL with TLS was found: apt install postgresql")
    raise AssertionError

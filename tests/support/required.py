"""Programs that some tests need and not every machine has.

Without one, its tests are skipped with the reason; `HPO_TESTS_REQUIRE=chromium,postgres`, as CI
sets it, turns these skips into failures.
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


def chromium() -> str:
    """The path of a Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    missing("chromium", "no Chromium was found in PATH: apt install chromium")
    raise AssertionError


def pgbouncer() -> str:
    """The path of PgBouncer."""
    for name in ("pgbouncer", "/usr/sbin/pgbouncer"):
        if found := shutil.which(name):
            return found
    missing("pgbouncer", "no PgBouncer was found in PATH: apt install pgbouncer")
    raise AssertionError


def postgres_with_tls() -> Path:
    """The directory of the programs of a PostgreSQL that was built with OpenSSL."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    for program in [*installed, *map(Path, filter(None, [shutil.which("postgres")]))]:
        config = program.resolve().parent / "pg_config"
        if not config.exists():
            continue
        options = subprocess.run(
            [config, "--configure"], capture_output=True, text=True, check=True
        )
        if "openssl" in options.stdout:
            return program.resolve().parent
    missing("postgres", "no PostgreSQL with TLS was found: apt install postgresql")
    raise AssertionError

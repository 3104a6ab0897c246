"""What a launch was asked for, beside its study: one object, made once and passed on whole."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

from hpo import config, settings
from hpo.config import SiteConfig
from hpo.postgres.connect import is_of_this_host, parse_url, place


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """The options of a launch: of its command line or its call, of the environment and hpo.toml."""

    command: str
    """What goes on with the launch, as it can be typed, without passwords."""
    site: SiteConfig = field(default_factory=SiteConfig)
    """How workers are started."""
    storage: str | None = None
    """As it was given; see ``url``."""
    confirm: bool = True
    timeout_s: float | None = None
    json: bool = False
    """Whether a program reads what is printed."""
    report: Path | None = None
    """File of the report; None is one that is named by the study."""
    writes_report: bool = True

    @classmethod
    def of_line(cls, arguments: Namespace, command: str) -> LaunchOptions:
        """Return those of a command line, read by ``arguments.parser``.

        Raises:
            ConfigError: an option, a variable or hpo.toml breaks a rule.
        """
        return cls(
            command=command,
            site=config.load(vars(arguments)),
            storage=arguments.storage,
            confirm=not arguments.no_confirm,
            timeout_s=arguments.timeout,
            json=arguments.json,
            report=arguments.report,
            writes_report=not arguments.no_report,
        )

    @property
    def url(self) -> str | None:
        """The address of the database; None is the embedded server."""
        return settings.storage_url() if self.storage is None else self.storage

    @property
    def database(self) -> str:
        """Which database that is, in words, without a password and without asking it."""
        return (
            place(parse_url(self.url)) if self.url else f"the embedded server in {settings.home()}"
        )

    @property
    def only_here(self) -> bool:
        """Whether no other host reaches the database."""
        return self.url is None or is_of_this_host(parse_url(self.url))

    @property
    def of_workers(self) -> list[str]:
        """The options that every worker gets."""
        return [f"--lease={self.site.launch.lease:g}", *["--no-confirm"] * (not self.confirm)]

    def logs(self, study: str) -> Path:
        """Return the directory of the logs of a study's workers."""
        return settings.home() / "logs" / study

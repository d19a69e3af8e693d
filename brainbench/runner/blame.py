"""Whose failure it was: whatever a plugin raises ends its own job, as a record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brainbench.errors import StoreError
from brainbench.plugins import Plugin, describe
from brainbench.records import Failure


class JobError(Exception):
    """What ended a job: the plugin at fault, the stage and the cause."""

    def __init__(self, plugin: Plugin, stage: str, cause: BaseException) -> None:
        super().__init__(describe(cause))
        self.plugin, self.stage, self.cause = plugin, stage, cause

    def failure(self) -> Failure:
        """For the record."""
        owner = f"{self.plugin.distribution} {self.plugin.version}"
        # A record may be published: it says what failed, not whose machine it was.
        message = " ".join(str(self.cause).replace(str(Path.home()), "~").split())
        return Failure(owner, self.stage, type(self.cause).__name__, message)


@contextmanager
def blamed(plugin: Plugin, stage: str) -> Iterator[None]:
    """Whatever is raised inside is this plugin's failure at this stage; only the disk's refusals pass as they are."""
    try:
        yield
    except (StoreError, JobError):
        raise
    except Exception as error:
        raise JobError(plugin, stage, error) from error

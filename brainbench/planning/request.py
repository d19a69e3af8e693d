"""A run as the user requests it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

DEFAULT_ENCODERS = "factortopy,classtoken"


@dataclass(frozen=True)
class Request:
    """A run as the user requests it, made by the command line and by ``brainbench.run``.

    metrics: None for those whose card says ``default``; subjects: None for all; weights: ``untrained`` or ``NAME=FILE``
    texts; settings: ``NAME.key=value`` texts; seeds: their number, from 0; engine: where the jobs are done.
    """

    backbones: str = "all"
    encoders: str = DEFAULT_ENCODERS
    metrics: str | None = None
    dataset: str = "demo"
    data: Path | None = None
    subjects: str | None = None
    seeds: int = 1
    weights: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    controls: bool = True
    engine: str = "local"

    def absolute(self) -> Request:
        """The same, for a process whose working folder is another one."""
        return replace(self, data=None if self.data is None else self.data.absolute())

"""How much anonymous memory a process holds: what it made itself, without the pages of mapped files."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread
from types import TracebackType

EVERY_S = 0.05


def anonymous_mb(process: int | str = "self") -> float | None:
    """Anonymous resident memory of a process in MiB (``RssAnon``, proc(5)); None where the system does not tell."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon:")), None)


class AnonymousPeak:
    """The highest anonymous memory of this process while the ``with`` block lasts, looked at every 50 ms."""

    def __init__(self) -> None:
        self._highest: float | None = None
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    @property
    def mb(self) -> float | None:
        """The highest so far, in MiB to one decimal; None where the system does not tell."""
        self._look()
        return None if self._highest is None else round(self._highest, 1)

    def __enter__(self) -> AnonymousPeak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        now = anonymous_mb()
        if now is not None:
            self._highest = max(now, self._highest or 0.0)

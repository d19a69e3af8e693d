"""The metrics that a board shows, from the records and computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from brainbench.errors import UsageError, did_you_mean
from brainbench.planning.picks import MetricPick
from brainbench.records import Record
from brainbench.registry import Registry, split_list


@dataclass(frozen=True)
class MetricRequest:
    """The metrics that the user wants to see.

    computed: the available metrics over records; names: comma list and globs over those and the metrics in the records;
    None: all in the records and all of ``computed``.
    """

    computed: tuple[MetricPick, ...] = ()
    names: str | None = None

    def among(self, records: Iterable[Record]) -> ShownMetrics:
        """Apply the request to these records. Raises UsageError for a name that is neither in them nor computed from them."""
        if self.names is None:
            return ShownMetrics(None, self.computed)
        held = {name for record in records for name in record.metrics}
        computed = {pick.name for pick in self.computed}
        wanted = frozenset(
            name for pattern in split_list(self.names, "metrics") for name in _matches(pattern, held, computed)
        )
        return ShownMetrics(wanted & held, tuple(pick for pick in self.computed if pick.name in wanted))


@dataclass(frozen=True)
class ShownMetrics:
    """held: names of the records' metrics that are shown, None for all; computed: the shown metrics over records."""

    held: frozenset[str] | None
    computed: tuple[MetricPick, ...]

    @property
    def beside(self) -> list[MetricPick]:
        """The metrics over records that are shown on the board."""
        return [pick for pick in self.computed if not pick.card.own_table]

    @property
    def apart(self) -> list[MetricPick]:
        """The metrics over records that have a table of their own."""
        return [pick for pick in self.computed if pick.card.own_table]

    def narrowed(self, records: Sequence[Record]) -> list[Record]:
        """Keep only the shown metrics of these records. Returns [] if nothing would be shown.

        If no shown metric needs an encoder, only the jobs without an encoder are kept. A fit without a metric that others
        have is kept, so that its cell shows as missing.
        """
        held = self.held
        if held is None:
            return list(records)
        if not (held or self.beside):
            return []
        kept = [replace(r, metrics={n: m for n, m in r.metrics.items() if n in held}) for r in records]
        fitted = bool(self.beside) or any(r.metrics for r in kept if r.encoder)
        return [r for r in kept if (fitted if r.encoder else r.metrics or r.failure)]


def installed_computed(registry: Registry) -> tuple[MetricPick, ...]:
    """The installed metrics over records, with their default settings."""
    return tuple(
        MetricPick(entry, entry.card.resolve_settings({}), entry.card.version)
        for entry in registry.metrics
        if entry.card.needs_records
    )


def _matches(pattern: str, held: set[str], computed: set[str]) -> list[str]:
    known = sorted(held | computed)
    found = [name for name in known if fnmatchcase(name, pattern)]
    if not found:
        raise UsageError(
            f"--metrics {pattern}: the records hold no such metric{did_you_mean(pattern, known)}; "
            f"they hold: {', '.join(sorted(held)) or 'none'}; computed from them: {', '.join(sorted(computed)) or 'none'}"
        )
    return found

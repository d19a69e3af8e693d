"""The work behind ``brainbench data fetch``: download a dataset that needs no form, once its licence is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brainbench.cards import DatasetCard
from brainbench.datasets.fetching import fetch, fetched_folder
from brainbench.errors import UsageError
from brainbench.registry import Registry
from brainbench.util.files import storage, write_atomically
from brainbench.util.progress import Reporter

_ACCEPTED = ".licence"


@dataclass(frozen=True)
class Offer:
    """A dataset that can be downloaded to a folder."""

    card: DatasetCard
    folder: Path

    @property
    def licence(self) -> str:
        """The licence of the data, in words."""
        return self.card.licence or "no licence is stated"

    @property
    def terms(self) -> str:
        """One line: the licence, the size and the place."""
        size = sum(file.size for file in self.card.downloads) / 1e6
        return f"{self.card.name}: {self.licence}; {len(self.card.downloads)} files, {size:,.1f} MB, to {self.folder}"

    @property
    def accepted(self) -> bool:
        """Whether this licence was accepted before, for this folder."""
        agreed = self.folder / _ACCEPTED
        return agreed.is_file() and agreed.read_text(encoding="utf-8") == self.licence

    def accept(self) -> None:
        """Remember that the licence was accepted."""
        with storage(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / _ACCEPTED, self.licence.encode())

    def fetch(self, report: Reporter, mirror: str = "") -> None:
        """Download what is missing. Raises UsageError unless the licence was accepted; DataError or StoreError if it fails."""
        if not self.accepted:
            raise UsageError(
                f"the licence of {self.card.name} was not accepted ({self.licence}): nothing is downloaded; "
                "give --yes to accept it"
            )
        fetch(self.card.downloads, self.folder, report, mirror)


def offer(name: str, folder: Path | None, registry: Registry, cache: Path) -> Offer:
    """Return what ``brainbench data fetch`` can do for a dataset. folder: where to; None: its place in the cache.

    Raises UsageError for a dataset that cannot be downloaded.
    """
    card = registry.datasets.get(name).card
    if not card.downloads:
        known = ", ".join(entry.name for entry in registry.datasets if entry.card.downloads) or "none installed"
        raise UsageError(f"{name}: cannot be downloaded by brainbench; available: {known}")
    return Offer(card, folder or fetched_folder(name, cache))

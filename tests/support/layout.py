"""A dataset with a layout of its own, to be recognised, checked and made: a folder experiment with a file ``layout.txt``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiment import write_experiment

from brainbench import DatasetCard, Part, Setting
from brainbench.builtin.datasets.folder.card import FOLDER
from brainbench.builtin.datasets.folder.dataset import FolderDataset, load

MARK = "layout.txt"


def root(path: Path) -> Path | None:
    """Here, one level down, or one up."""
    below = sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else []
    return next((place for place in (path, *below, path.parent) if (place / MARK).exists()), None)


def contents(*, data: Path, settings: Mapping[str, Any]) -> Sequence[Part]:
    """The mark, and every subject's responses and ceiling."""
    mark = data / MARK
    parts = [Part("", "mark", mark, True, size=mark.stat().st_size)]
    for name in mark.read_text().split():
        for what, needed in (("responses.npy", True), ("noise_ceiling.npy", False)):
            place = data / "subjects" / name / what
            there = place.exists()
            size = place.stat().st_size if there else 0
            parts.append(
                Part(name, what, place, there, needed, size, source="https://example.org/data", detail="30 rows")
            )
    return parts


class Separately:
    """Every subject is read when it is asked for, so that one that cannot be read takes no other along."""

    version = "1"
    provides = frozenset({"responses"})

    def __init__(self, settings: Mapping[str, Any], data: Path, cache: Path) -> None:
        self.subjects = (data / MARK).read_text().split()
        self._arguments = {"settings": FOLDER.own_settings(settings), "cache": cache}
        self._data = data

    def _one(self, subject: str) -> FolderDataset:
        return load(data=self._data / "subjects" / subject, **self._arguments)  # type: ignore[arg-type]

    def stimuli(self, subject: str) -> Any:
        return self._one(subject).stimuli("1")

    def survey(self, subject: str) -> Any:
        return self._one(subject).survey("1")

    def responses(self, subject: str) -> Any:
        return self._one(subject).responses("1")

    def masks(self, subject: str) -> None:
        return None

    def dissimilarities(self, subject: str) -> None:
        return None


def write(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """So many subjects of thirty images."""
    names = [f"s{number}" for number in range(1, settings["subjects"] + 1)]
    for name in names:
        write_experiment(folder / "subjects" / name, voxels=settings["voxels"])
    (folder / MARK).write_text("\n".join(names))


def card(name: str = "marked", **facts: Any) -> DatasetCard:
    """A card with everything that ``brainbench data`` can use."""
    given = {"root": root, "contents": contents, "maker": write, **facts}
    return DatasetCard(
        name=name,
        loader=lambda *, settings, data, cache: Separately(settings, data, cache),
        summary=f"the layout of {name}",
        needs_data=True,
        settings=(Setting("split_seed", int, 0, "seed of the split", minimum=0),),
        maker_settings=(
            Setting("subjects", int, 2, "how many subjects", minimum=1),
            Setting("voxels", int, 5, "voxels a subject", minimum=1),
        ),
        **given,
    )

"""The open dataset of a run, and its responses with fewer training images, for the curve of appendix G."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brainbench.cards import DatasetCard
from brainbench.errors import DataError, PluginError, UsageError
from brainbench.planning.picks import Pick
from brainbench.plugins import blamed
from brainbench.protocols import Dataset, Distinguished, Surveyed
from brainbench.registry import Entry
from brainbench.types import Responses, Stimuli
from brainbench.util.files import storage
from brainbench.util.hashing import digest
from brainbench.util.texts import misnamed

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class OpenDataset(Pick[DatasetCard]):
    """The open dataset of a run. changed: settings that the user changed; train_images: how many to train on, 0 for all."""

    dataset: Dataset
    changed: Mapping[str, Any] = field(default_factory=dict)
    train_images: tuple[int, ...] = (0,)

    _stimuli: dict[str, Stimuli] = field(default_factory=dict, repr=False)
    _readable: dict[str, Stimuli] = field(default_factory=dict, repr=False)
    _asked: dict[tuple[str, str, int], Responses | None] = field(default_factory=dict, repr=False)

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated, according to the card or the data themselves."""
        return self.card.simulated or bool(getattr(self.dataset, "simulated", False))

    def stimuli(self, subject: str) -> Stimuli:
        """Return the subject's images. The dataset is asked only once."""
        if subject not in self._stimuli:
            with blamed(self.plugin, "give stimuli", f"dataset {self.name}"):
                self._stimuli[subject] = self.dataset.stimuli(subject)
        return self._stimuli[subject]

    def readable(self, subject: str) -> Stimuli:
        """Return the subject's images as ``stimuli`` does, the same object each time: its key is a hash of all images.

        An image that cannot be opened is reported as the dataset's failure.
        """
        stimuli = self.stimuli(subject)

        def opened(row: int) -> Image.Image:
            with blamed(self.plugin, f"image {stimuli.ids[row]}"):
                return stimuli.open(row)

        if subject not in self._readable:
            self._readable[subject] = replace(stimuli, open=opened)
        return self._readable[subject]

    def survey(self, subject: str, images: int = 0) -> Responses | None:
        """Return the responses, perhaps without their values: all that a plan or a record needs to know."""
        return self._ask("survey" if isinstance(self.dataset, Surveyed) else "responses", subject, images)

    def responses(self, subject: str, images: int = 0) -> Responses | None:
        """Return the subject's responses, with only this many training ``images`` (0: all).

        The dataset, which may have to screen them, is asked only once. Responses with fewer images are a copy, so only those
        of the last call are kept. Raises UsageError if there are fewer.
        """
        for known in [one for one in self._asked if one[0] == "responses" and one[2] and one[1:] != (subject, images)]:
            del self._asked[known]
        return self._ask("responses", subject, images)

    def _ask(self, method: str, subject: str, images: int) -> Responses | None:
        if (method, subject, 0) not in self._asked:
            with blamed(self.plugin, f"give {method}", f"dataset {self.name}"):
                self._asked[method, subject, 0] = getattr(self.dataset, method)(subject)
        every = self._asked[method, subject, 0]
        if every is not None and (method, subject, images) not in self._asked:
            self._asked[method, subject, images] = trained_on(every, images, f"{self.card.name}.train_images")
        return every and self._asked[method, subject, images]

    def content(self, subject: str) -> str | None:
        """Return what changes with the subject's data or split; None where the dataset does not tell."""
        if not isinstance(self.dataset, Distinguished):
            return None
        with blamed(self.plugin, "give content", f"dataset {self.name}"):
            return digest(self.dataset.content(subject))

    @cached_property
    def contents(self) -> dict[str, str]:
        """Return subject -> ``content``, without subjects that cannot be read; empty where the dataset does not tell."""
        found: dict[str, str] = {}
        for subject in self.dataset.subjects:
            try:
                content = self.content(subject)
            except DataError:
                continue
            found |= {subject: content} if content else {}
        return found

    def sizes(self, subject: str) -> list[int]:
        """Return the requested training-set sizes without duplicates.

        A size equal to the whole train split becomes 0 (all).
        """
        if self.train_images == (0,):
            return [0]
        responses = self.survey(subject)
        there = 0 if responses is None else len(train_images(responses))
        return list(dict.fromkeys(0 if images == there else images for images in self.train_images))


def open_dataset(
    entry: Entry[DatasetCard],
    variants: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    path: Path | None,
    cache: Path,
) -> OpenDataset:
    """Load a dataset, from ``path`` if it needs one.

    An exception of the plugin becomes a one-line error that names the plugin. variants: the dataset's settings and those
    that the user changed, once for every requested ``train_images``.
    """
    card, (given, changed) = entry.card, variants[0]
    settings = card.own_settings(given)
    if card.needs_data and path is None:
        raise UsageError(f"--dataset {card.name} needs --data PATH: the folder that contains it")
    if path is not None and not (card.needs_data or card.takes_data):
        raise UsageError(f"--data {path}: the dataset {card.name} takes none; did you mean --dataset folder?")
    with blamed(entry.plugin, "load", f"dataset {card.name}"), storage(cache):
        cache.mkdir(parents=True, exist_ok=True)
        dataset = card.loader(settings=settings, data=path, cache=cache)
    if not isinstance(dataset, Dataset):
        raise PluginError(f"dataset {card.name}: load() returned {type(dataset).__name__}, expected a Dataset")
    for name in (getattr(dataset, "title", None) or card.name, *dataset.subjects):
        if wrong := misnamed(name):
            raise DataError(f"dataset {card.name}: the title or subject {name!r:.80}: {wrong}; give it another name")
    changed = {name: value for name, value in changed.items() if name in settings}
    return OpenDataset(entry, dataset, changed, tuple(one["train_images"] for one, _ in variants))


# One order for all sizes, so that a smaller set is a subset of every larger one.
ORDER_SEED = 0


def train_images(responses: Responses) -> np.ndarray:
    """Return the stimuli of the train split, ascending."""
    return np.unique(responses.stimulus[responses.rows("train")])


def trained_on(responses: Responses, images: int, setting: str) -> Responses:
    """Return the responses with only the first ``images`` training stimuli of one seeded order. Repeats stay together.

    Val and test stay the same. setting: how the user wrote the setting, for the message. Raises UsageError if there are
    fewer.
    """
    there = train_images(responses)
    if not 1 <= images <= len(there):
        raise UsageError(
            f"--set {setting}={images}: subject {responses.subject} has {len(there)} training images; "
            f"allowed are 1 to {len(there)}, or 0 for all"
        )
    chosen = np.random.default_rng(ORDER_SEED).permutation(there)[:images]
    kept = np.flatnonzero((responses.split != "train") | np.isin(responses.stimulus, chosen))
    return replace(
        responses,
        values=_rows(responses.values, kept),
        stimulus=responses.stimulus[kept],
        split=responses.split[kept],
        key=digest([responses.key, "train_images", np.sort(chosen).tolist()]),
        notes=(*responses.notes, f"trained on {images} of {len(there)} training images"),
    )


def _rows(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    # A survey's values allocate nothing, and neither does a part of them.
    return values[kept] if any(values.strides) else np.broadcast_to(values[0, 0], (len(kept), values.shape[1]))

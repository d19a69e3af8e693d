"""The checks of a dataset. Each returns a line on what it found, or raises ContractError."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainbench.cards import DatasetCard
from brainbench.datasets.masks import VOID
from brainbench.protocols import Dataset, Distinguished, Labelled, Surveyed
from brainbench.registry import installed
from brainbench.testing.cases import expect, light_listing, no_network, untouched_random_state
from brainbench.types import Responses, Stimuli

PROVIDES = ("responses", "rois", "coordinates", "masks", "dissimilarities", "noise_ceiling", "labels")
SPLITS = ("train", "val", "test")
# Images that are opened, of each subject.
OPENED = 5


class DatasetCase:
    """One dataset under test.

    settings: those of the dataset that differ from its defaults; data: its folder. A dataset that needs one and can be
    simulated (``DatasetCard.maker``) is made in a temporary folder.
    """

    def __init__(self, card: DatasetCard, settings: Mapping[str, Any] | None = None, data: Path | None = None) -> None:
        self.card = card
        self.settings = card.own_settings(settings or {})
        self._data = data
        self._place = Path(tempfile.mkdtemp(prefix="brainbench-check-"))
        weakref.finalize(self, shutil.rmtree, self._place, ignore_errors=True)
        self._opened = 0

    @classmethod
    def named(cls, name: str, data: Path | None = None) -> DatasetCase:
        """The case of an installed dataset. Raises UsageError if there is none with this name."""
        return cls(installed().datasets.get(name).card, data=data)

    @cached_property
    def data(self) -> Path | None:
        """The folder that the dataset reads; made if there is none and the card can make one."""
        if self._data is None and self.card.needs_data:
            expect(self.card.maker is not None, "it needs a folder, and the card has no maker: name one (--data PATH)")
            assert self.card.maker is not None
            made = self._place / "data"
            made.mkdir()
            self.card.maker(
                folder=made, settings={setting.name: setting.default for setting in self.card.maker_settings}
            )
            return made
        return self._data

    def open(self) -> Dataset:
        """Open the dataset anew, with an empty cache."""
        self._opened += 1
        cache = self._place / f"cache{self._opened}"
        cache.mkdir()
        dataset = self.card.loader(settings=self.settings, data=self.data, cache=cache)
        expect(isinstance(dataset, Dataset), f"load() returned {type(dataset).__name__}, expected a Dataset")
        return dataset  # type: ignore[no-any-return]

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset that most checks look at."""
        return self.open()

    @cached_property
    def images(self) -> dict[str, Stimuli]:
        """Subject -> its stimuli."""
        return {subject: self.dataset.stimuli(subject) for subject in self.dataset.subjects}

    @cached_property
    def measured(self) -> dict[str, Responses]:
        """Subject -> its responses, of those that have any."""
        found = {subject: self.dataset.responses(subject) for subject in self.dataset.subjects}
        return {subject: responses for subject, responses in found.items() if responses is not None}


def subjects(case: DatasetCase) -> str:
    """Subjects with unique names, a version, and a known word for all that it provides."""
    dataset = case.dataset
    names = list(dataset.subjects)
    expect(bool(names) and all(isinstance(name, str) and name for name in names), f"subjects {names}: expected names")
    expect(len(set(names)) == len(names), f"subjects {names}: a name is there twice")
    expect(isinstance(dataset.version, str) and bool(dataset.version), f"version {dataset.version!r}: expected a text")
    strange = sorted(set(dataset.provides) - set(PROVIDES))
    expect(not strange, f"provides {', '.join(strange)}; allowed are {', '.join(PROVIDES)}")
    return f"{len(names)}, version {dataset.version}"


def provides(case: DatasetCase) -> str:
    """What it says that it provides is there, and nothing else."""
    dataset = case.dataset
    held = set()
    for subject in dataset.subjects:
        found = case.measured.get(subject)
        held |= {"responses"} if found is not None else set()
        held |= {"masks"} if dataset.masks(subject) is not None else set()
        held |= {"labels"} if isinstance(dataset, Labelled) else set()
        held |= {"dissimilarities"} if dataset.dissimilarities(subject) is not None else set()
        if found is not None:
            held |= {name for name in ("coordinates", "noise_ceiling") if getattr(found, name) is not None}
            held |= {"rois"} if found.rois else set()
    said = set(dataset.provides)
    expect(said <= held, f"provides {', '.join(sorted(said - held))}, but no subject has it")
    expect(held <= said, f"has {', '.join(sorted(held - said))}, which provides does not say")
    return ", ".join(sorted(held)) or "images alone"


def stimuli(case: DatasetCase) -> str:
    """Unique ids, one sha256 per image, images that open as RGB and are the same each time."""
    for subject, found in case.images.items():
        count = len(found.ids)
        expect(count > 0, f"subject {subject} has no stimuli")
        expect(len(set(found.ids)) == count, f"subject {subject}: stimulus ids are not unique")
        expect(len(found.digests) == count, f"subject {subject}: {len(found.digests)} digests for {count} stimuli")
        wrong = [digest for digest in found.digests if not re.fullmatch("[0-9a-f]{64}", digest)]
        expect(not wrong, f"subject {subject}: digest {wrong[:1]} is not a sha256 in hexadecimal")
        expect(
            found.captions is None or len(found.captions) == count, f"subject {subject}: captions for {count} stimuli"
        )
        expect(all(0 <= row < count for row in found.unmeasured), f"subject {subject}: unmeasured is out of range")
        for row in _some(count):
            image = found.open(row)
            expect(isinstance(image, Image.Image), f"open({row}) returned {type(image).__name__}, expected an image")
            expect(image.mode == "RGB", f"open({row}) returned mode {image.mode}, expected RGB")
            expect(image.tobytes() == found.open(row).tobytes(), f"open({row}) returned other pixels the second time")
    return f"{sum(len(found) for found in case.images.values())} images"


def responses(case: DatasetCase) -> str:
    """[R, V] float32 without gaps, of stimuli that there are."""
    if not case.measured:
        return "none"
    for subject, found in case.measured.items():
        where, values = f"subject {subject}", found.values
        expect(values.ndim == 2, f"{where}: values {list(values.shape)}, expected [R, V]")
        expect(values.dtype == np.float32, f"{where}: values are {values.dtype}, expected float32")
        rows = len(values)
        for name in ("stimulus", "split"):
            expect(
                len(getattr(found, name)) == rows, f"{where}: {name} has {len(getattr(found, name))} rows, not {rows}"
            )
        index = np.asarray(found.stimulus)
        good = index.dtype.kind in "iu" and rows and index.min() >= 0 and index.max() < len(case.images[subject])
        expect(bool(good), f"{where}: stimulus is not the row of an image of its stimuli")
        expect(bool(np.isfinite(values).all()), f"{where}: values are NaN or infinite; leave such voxels out (dropped)")
        expect(found.subject == subject, f"{where}: the responses say subject {found.subject!r}")
    return ", ".join(f"{list(found.values.shape)}" for found in case.measured.values())


def split(case: DatasetCase) -> str:
    """Train, val and test, and no image on two sides: not by its number, and not by its content."""
    if not case.measured:
        return "no responses"
    told = []
    for subject, found in case.measured.items():
        names = set(np.unique(found.split).tolist())
        expect(names == set(SPLITS), f"subject {subject}: splits {sorted(names)}, expected {', '.join(SPLITS)}")
        digests = np.array(case.images[subject].digests)
        sides = {name: set(digests[found.stimulus[found.rows(name)]].tolist()) for name in SPLITS}  # type: ignore[arg-type]
        for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
            shared = len(sides[one] & sides[other])
            expect(not shared, f"subject {subject}: {shared} images are in {one} and in {other}")
        told.append("+".join(str(len(sides[name])) for name in SPLITS))
    return f"{' and '.join(dict.fromkeys(told))} images"


def voxels(case: DatasetCase) -> str:
    """Coordinates, ROIs, mesh and noise ceiling have one entry per voxel; the ceiling is from 0 to 1."""
    for subject, found in case.measured.items():
        where, count = f"subject {subject}", found.values.shape[1]
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {f"rois[{n!r}]": (m, (count,)) for n, m in found.rois.items()}
        shapes |= {"coordinates": (found.coordinates, (count, 3)), "noise_ceiling": (found.noise_ceiling, (count,))}
        if found.surface is not None:
            shapes |= {f"surface.{name}": (getattr(found.surface, name), (count,)) for name in ("hemisphere", "vertex")}
        for name, (array, wanted) in shapes.items():
            shape = None if array is None else np.shape(array)
            expect(shape in (None, wanted), f"{where}: {name} is {list(shape or ())}, expected {list(wanted)}")
        wrong = [name for name, mask in found.rois.items() if np.asarray(mask).dtype != bool]
        expect(not wrong, f"{where}: rois[{wrong[:1]}] is not a bool mask")
        if (ceiling := found.noise_ceiling) is not None:
            good = bool(((np.asarray(ceiling) >= 0) & (np.asarray(ceiling) <= 1)).all())
            expect(good, f"{where}: the noise ceiling goes from {np.min(ceiling):g} to {np.max(ceiling):g}, not 0 to 1")
    return ", ".join(str(found.values.shape[1]) for found in case.measured.values()) or "no responses"


def survey(case: DatasetCase) -> str:
    """``survey`` says of the responses all that ``responses`` does, but the values."""
    if not isinstance(case.dataset, Surveyed):
        return "has no survey"
    fresh = case.open()
    assert isinstance(fresh, Surveyed)
    for subject in case.dataset.subjects:
        told, found = fresh.survey(subject), case.measured.get(subject)
        expect((told is None) == (found is None), f"subject {subject}: survey and responses are not both there")
        if told is None or found is None:
            continue
        expect(told.values.shape == found.values.shape, f"subject {subject}: survey() says {list(told.values.shape)}")
        for name in (field.name for field in fields(Responses)):
            if name not in ("values", "unprepared"):
                same = _same(getattr(told, name), getattr(found, name))
                expect(same, f"subject {subject}: survey() says another {name} than responses()")
    return "as the responses"


def keys(case: DatasetCase) -> str:
    """Opened anew it has the same version, contents and keys; other responses have another key."""
    again = case.open()
    expect(again.version == case.dataset.version, "another version when opened again")
    seen: dict[str, bytes] = {}
    for subject in case.dataset.subjects:
        expect(
            again.stimuli(subject).key == case.images[subject].key,
            f"subject {subject}: other stimuli when opened again",
        )
        if isinstance(case.dataset, Distinguished) and isinstance(again, Distinguished):
            told = again.content(subject) == case.dataset.content(subject)
            expect(told, f"subject {subject}: other content when opened again")
        found, other = case.measured.get(subject), again.responses(subject)
        if found is None or other is None:
            continue
        expect(bool(found.key), f"subject {subject}: the key is empty")
        expect(found.key == other.key, f"subject {subject}: another key when opened again")
        expect(np.array_equal(found.values, other.values), f"subject {subject}: other values when opened again")
        content = found.values.tobytes()
        expect(seen.setdefault(found.key, content) == content, f"subject {subject}: the key of other responses")
    return "the same when opened again"


def masks(case: DatasetCase) -> str:
    """uint8 [H, W] whose values are among the classes, or 255 for no class."""
    count = 0
    for subject, found in case.images.items():
        held = case.dataset.masks(subject)
        for row in _some(len(found)) if held is not None else ():
            assert held is not None
            mask = np.asarray(held.load(row))
            expect(
                mask.ndim == 2 and mask.dtype == np.uint8,
                f"mask {row} is {mask.dtype} {list(mask.shape)}, expected uint8",
            )
            highest = int(mask[mask != VOID].max(initial=0))
            expect(highest < len(held.classes), f"mask {row}: class {highest} of {len(held.classes)}, counted from 0")
            count += 1
    return f"{count} looked at" if count else "none"


def dissimilarities(case: DatasetCase) -> str:
    """[S, S], symmetric, 0 on the diagonal."""
    count = 0
    for subject, found in case.images.items():
        held = case.dataset.dissimilarities(subject)
        if held is None:
            continue
        wanted = (len(found), len(found))
        expect(held.shape == wanted, f"subject {subject}: dissimilarities {list(held.shape)}, expected {list(wanted)}")
        same = np.allclose(held, held.T, equal_nan=True)
        expect(same, f"subject {subject}: the dissimilarities are not symmetric")
        expect(np.allclose(np.diag(held), 0), f"subject {subject}: an image is not 0 from itself")
        count += 1
    return f"of {count} subjects" if count else "none"


def labels(case: DatasetCase) -> str:
    """One class for each stimulus, of at least two; groups and a split, if there are any, for each too."""
    if not isinstance(case.dataset, Labelled):
        return "none"
    for subject, shown in case.images.items():
        found, where = case.dataset.labels(subject), f"subject {subject}"
        expect(len(found.classes) > 1, f"{where}: {len(found.classes)} classes, expected at least two")
        expect(len(set(found.classes)) == len(found.classes), f"{where}: class names are not unique")
        expect(
            found.values.shape == (len(shown),), f"{where}: labels {list(found.values.shape)} of {len(shown)} stimuli"
        )
        used = set(found.values.tolist())
        expect(
            used == set(range(len(found.classes))),
            f"{where}: labels {sorted(used)}, expected 0 to {len(found.classes) - 1}",
        )
        for name, given in (("groups", found.groups), ("split", found.split)):
            expect(given is None or len(given) == len(shown), f"{where}: {name} of other stimuli")
        expect(
            found.split is None or set(found.split.tolist()) <= set(SPLITS),
            f"{where}: split has other words than {SPLITS}",
        )
    return f"{len(found.classes)} classes"


def quiet(case: DatasetCase) -> str:
    """Opening and reading leaves the global random generators untouched and opens no network connection."""
    with no_network("reading"), untouched_random_state("reading"):
        dataset = case.open()
        subject = dataset.subjects[0]
        dataset.stimuli(subject).open(0)
        dataset.responses(subject)
    return "no network, global generators untouched"


def light(case: DatasetCase) -> str:
    """Importing the plugin, to list its cards, imports nothing heavy and opens no network connection."""
    return light_listing(case.card, "datasets")


def _some(count: int) -> Iterator[int]:
    """A few row numbers, first and last among them."""
    yield from sorted(set(np.linspace(0, count - 1, min(count, OPENED)).astype(int).tolist()))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return one is not None and other is not None and np.array_equal(one, other)
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(_same(one[name], other[name]) for name in one)
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(
            _same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)
        )
    return bool(one == other)


Check = Callable[[DatasetCase], str]
DATASET_CHECKS: Mapping[str, Check] = {
    check.__name__.replace("_", " "): check
    for check in (
        subjects,
        provides,
        stimuli,
        responses,
        split,
        voxels,
        survey,
        keys,
        masks,
        dissimilarities,
        labels,
        quiet,
        light,
    )
}

"""92 photographs of objects on grey, and how dissimilar human IT finds them (Kriegeskorte and others 2008).

``92_brainRDMs.mat`` holds one matrix of dissimilarities for each of four subjects and two sessions; the photographs are in the
supplement of the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.io import loadmat

from brainbench import DataError, Masks, Stimuli, UsageError, did_you_mean
from brainbench.datasets import content_digest, fetched
from brainbench_open.plugin import OBJECTS92

DISSIMILARITIES, PHOTOGRAPHS = (file.path for file in OBJECTS92.downloads)
CLASSES = ("ground", "figure")
GROUND = 128


class Objects92:
    """The experiment in memory: photographs [S, H, W, 3] uint8, and dissimilarities [S, S] by subject."""

    provides = frozenset({"dissimilarities", "masks"})
    version = "2008"

    def __init__(self, photographs: np.ndarray, dissimilarities: Mapping[str, np.ndarray]) -> None:
        self._photographs, self._dissimilarities = photographs, dissimilarities
        self.subjects: Sequence[str] = tuple(dissimilarities)

    def stimuli(self, subject: str) -> Stimuli:
        """The photographs, the same for all subjects."""
        self._matrix(subject)
        size = f"{self._photographs.shape[2]}x{self._photographs.shape[1]}:".encode()
        return Stimuli(
            ids=tuple(f"object-{number:02d}" for number in range(1, len(self._photographs) + 1)),
            digests=tuple(content_digest(size, pixels.tobytes()) for pixels in self._photographs),
            open=lambda index: Image.fromarray(self._photographs[index]),
        )

    def responses(self, subject: str) -> None:
        """None: the release has dissimilarities, not the responses behind them."""
        self._matrix(subject)

    def masks(self, subject: str) -> Masks:
        """Figure and ground; the ground is the grey that touches the border."""
        self._matrix(subject)
        return Masks(CLASSES, lambda index: figure(self._photographs[index]))

    def dissimilarities(self, subject: str) -> np.ndarray:
        """1 - correlation of the activity patterns in IT, mean over the subject's sessions; [S, S]."""
        return self._matrix(subject)

    def _matrix(self, subject: str) -> np.ndarray:
        if subject not in self._dissimilarities:
            raise UsageError(
                f"no subject {subject!r}{did_you_mean(subject, self.subjects)}; there are {', '.join(self.subjects)}"
            )
        return self._dissimilarities[subject]


def figure(pixels: np.ndarray) -> np.ndarray:
    """Mask of a photograph [H, W, 3], uint8 [H, W]: 0 for the grey that is connected to the border, else 1."""
    grey, _ = ndimage.label((pixels == GROUND).all(axis=2))
    border = np.unique(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    return (~np.isin(grey, border[border > 0])).astype(np.uint8)


def read_dissimilarities(path: Path) -> dict[str, np.ndarray]:
    """Subject -> mean over sessions, [S, S] float64. Raises DataError for another file."""
    try:
        found: dict[str, list[np.ndarray]] = {}
        for one in _mat(path)["RDMs"].ravel():
            # Named as in "hIT | BE | Session: 1".
            found.setdefault(str(one["name"].item()).split("|")[1].strip(), []).append(np.asarray(one["RDM"], float))
    except (KeyError, IndexError, ValueError, TypeError) as problem:
        raise _other(path, problem) from problem
    return {subject: np.mean(sessions, axis=0) for subject, sessions in sorted(found.items())}


def read_photographs(path: Path) -> np.ndarray:
    """The photographs, [S, H, W, 3] uint8. Raises DataError for another file."""
    try:
        return np.stack([np.asarray(one["image"], np.uint8) for one in _mat(path)["stimuli_92objs"].ravel()])
    except (KeyError, IndexError, ValueError, TypeError) as problem:
        raise _other(path, problem) from problem


def _mat(path: Path) -> Mapping[str, Any]:
    try:
        return dict(loadmat(path))
    # A damaged file makes scipy raise nearly anything.
    except Exception as problem:
        raise _other(path, problem) from problem


def _other(path: Path, problem: Exception) -> DataError:
    reason = (str(problem) or type(problem).__name__).splitlines()[0]
    return DataError(
        f"{path} is damaged or another file ({reason}); delete it and `brainbench data fetch {OBJECTS92.name}`"
    )


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> Objects92:
    """Read the downloads in ``data``, or those of ``brainbench data fetch objects92``.

    Raises DataError if a file is missing, or is another one.
    """
    root = fetched(OBJECTS92.name, OBJECTS92.downloads, data, cache)
    photographs, dissimilarities = read_photographs(root / PHOTOGRAPHS), read_dissimilarities(root / DISSIMILARITIES)
    for subject, matrix in dissimilarities.items():
        if matrix.shape != (len(photographs), len(photographs)):
            raise DataError(
                f"{root / DISSIMILARITIES}: subject {subject} has {matrix.shape}, expected a row and a column for each of "
                f"{len(photographs)} photographs; `brainbench data fetch {OBJECTS92.name}` brings both files"
            )
    return Objects92(photographs, dissimilarities)

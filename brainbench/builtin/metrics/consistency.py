"""Consistency: do several seeds of one fit give the same layer map?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brainbench import Cell, Score, layer_place

# Places closer than this are equal: selectors are stored in float32.
FLAT = 1e-6


def load(*, settings: Mapping[str, Any]) -> Consistency:
    """The metric of card ``consistency``."""
    return Consistency()


class Consistency:
    """Agreement of the layer maps of the same row and subject over seeds (appendix D.2, Figure 12).

    The figure shows maps of the argmax layer side by side and states no number. ``agreement`` is what the eye compares
    there: the share of voxels with the same argmax layer. ``r`` is our own: Pearson's r over voxels of the place that the
    layer selector gives, sum_l (l - 1) / (L - 1) w_l, for which a neighbouring layer is a small difference. By chance, r is
    0 and agreement depends on the layers' shares.
    """

    def score(self, cells: Sequence[Cell]) -> list[Score]:
        """Return r and agreement, averaged over a seed's pairs with other seeds; their mean over seeds is that over pairs."""
        groups: dict[tuple[str, str], list[int]] = {}
        for number, cell in enumerate(cells):
            groups.setdefault((cell.row, cell.subject), []).append(number)
        scores: dict[int, Score] = {}
        for numbers in groups.values():
            maps = [cells[number].selector("layer") for number in numbers]
            for position, number in enumerate(numbers):
                others = [one for one in maps[:position] + maps[position + 1 :] if one is not None]
                scores[number] = _score(cells[number], maps[position], others)
        return [scores[number] for number in range(len(cells))]


def place_r(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return Pearson's r over voxels of the places of two selectors [V, L].

    None if either gives all voxels the same place.
    """
    x, y = layer_place(first), layer_place(second)
    if min(np.ptp(x), np.ptp(y)) < FLAT:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def same_layer(first: np.ndarray, second: np.ndarray) -> float:
    """Return the share of voxels with the same argmax layer in two selectors [V, L]."""
    return float(np.mean(first.argmax(axis=1) == second.argmax(axis=1)))


def _score(cell: Cell, own: np.ndarray | None, others: Sequence[np.ndarray]) -> Score:
    if own is None:
        reason = (
            "the encoder has no layer selector"
            if cell.predicted
            else "selectors were not kept (--keep scores), or are damaged"
        )
        return Score(not_applicable=reason)
    if own.shape[1] == 1:
        return Score(not_applicable="with a single layer there is no choice")
    if not others:
        return Score(not_applicable="there is a single seed")
    values = {"agreement": float(np.mean([same_layer(own, other) for other in others]))}
    r = [place_r(own, other) for other in others]
    found = [one for one in r if one is not None]
    if len(found) < len(r):
        return Score(values, notes=("a layer map gives all voxels the same place: it has no r",))
    return Score({"r": float(np.mean(found)), **values})

"""RSSD: how far a network's R2 is below the board's best network, voxel by voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brainbench import Cell, Score


def load(*, settings: Mapping[str, Any]) -> Rssd:
    """The metric of card ``rssd``."""
    return Rssd()


class Rssd:
    """Root mean square over voxels of max_i - R2_i; max_i: the highest R2 of any row for voxel i (section 4.1, Table 1).

    The 'max' model is made for every subject and seed separately, because every row of the paper is one fit, and the board
    pools the differences as usual. It includes the rows with voxel-wise R2 for every subject and seed of the board;
    controls are not networks, and incomplete rows would count for some subjects only. Above the 'max', where a control may
    be, the difference is 0. The paper writes root sum squared; its values (.005 to .065) are those of a mean over an ROI,
    not of a sum.
    """

    def score(self, cells: Sequence[Cell]) -> list[Score]:
        """Return "all", and every ROI whose voxels are known and have an R2; 0 is the best everywhere."""
        if reason := _incomparable(cells):
            return [Score(not_applicable=reason) for _ in cells]
        rows = complete_rows(cells)
        if not rows:
            return [Score(not_applicable="no network has voxel-wise R2 for every subject and seed") for _ in cells]
        best = {
            place: np.max(
                [r2 for c in cells if c.row in rows and _place(c) == place and (r2 := _r2(c)) is not None], axis=0
            )
            for place in {_place(cell) for cell in cells}
        }
        networks = {cell.row for cell in cells if not cell.control}
        notes = _notes(rows, networks - rows)
        return [_score(cell, best[_place(cell)], notes) for cell in cells]


def complete_rows(cells: Sequence[Cell]) -> set[str]:
    """Return the rows of networks, not of controls, that have voxel-wise R2 for every (subject, seed) of the board."""
    found: dict[str, set[tuple[str, int]]] = {}
    for cell in cells:
        if not cell.control and _r2(cell) is not None:
            found.setdefault(cell.row, set()).add(_place(cell))
    everywhere = {_place(cell) for cell in cells}
    return {row for row, places in found.items() if places == everywhere}


def lacking(best: np.ndarray, r2: np.ndarray, voxels: np.ndarray) -> float | None:
    """Return the root mean square of best - r2 over ``voxels`` (bool), all [V]. None if no voxel has both values."""
    difference = best.astype(np.float64)[voxels] - r2.astype(np.float64)[voxels]
    usable = difference[np.isfinite(difference)]
    return float(np.sqrt(np.mean(np.square(np.maximum(usable, 0))))) if len(usable) else None


def _score(cell: Cell, best: np.ndarray, notes: tuple[str, ...]) -> Score:
    r2 = _r2(cell)
    if r2 is None:
        return Score(not_applicable="voxel-wise R2 was not kept (--keep scores), or is damaged")
    regions = {"all": np.ones(len(r2), bool)} | {name: cell.roi(name) for name in cell.rois}
    figures = {name: lacking(best, r2, voxels) for name, voxels in regions.items() if voxels is not None}
    values = {name: figure for name, figure in figures.items() if figure is not None}
    return Score(values, notes=notes) if values else Score(not_applicable="no voxel has an R2")


def _incomparable(cells: Sequence[Cell]) -> str | None:
    """Say why the R2 of these cells cannot be compared."""
    versions = sorted({cell.versions["r2"] for cell in cells if _r2(cell) is not None})
    if len(versions) > 1:
        return f"R2 of several versions ({', '.join(versions)}): run the older jobs again"
    voxels: dict[str, set[int]] = {}
    for cell in cells:
        if (r2 := _r2(cell)) is not None:
            voxels.setdefault(cell.subject, set()).add(len(r2))
    differ = sorted(subject for subject, counts in voxels.items() if len(counts) > 1)
    return f"rows differ in their voxels of subject {', '.join(differ)}" if differ else None


def _r2(cell: Cell) -> np.ndarray | None:
    return cell.per_voxel("r2")


def _place(cell: Cell) -> tuple[str, int]:
    return cell.subject, cell.seed


def _notes(rows: set[str], left_out: set[str]) -> tuple[str, ...]:
    """Say which rows the 'max' includes."""
    made = f"the 'max' model is the highest R2 of {len(rows)} rows, for every voxel, subject and seed; controls are not in it"
    if not left_out:
        return (made,)
    return (
        made,
        f"not in the 'max' model, for want of voxel-wise R2 of every subject and seed: {', '.join(sorted(left_out))}",
    )

"""Whether repeats of one image agree more than rows of any images do: is a ROI's noise ceiling above chance?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from brainbench.datasets.sources import Source

_DRAWS = 1000
# More would not change the verdict, and take longer.
_ROWS, _VOXELS = 512, 2000


def chance_of_repeats(
    source: Source, rows: np.ndarray, stimulus: np.ndarray, rois: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """ROI -> p of a permutation test: how often rows under exchanged images agree as well as the repeats of an image do.

    rows: of the images that repeat; stimulus: [R] of every row of the source; rois: name -> bool [V]. Agreement is the mean
    product, over voxels, of two z-scored rows of one image. Voxels with NaN and constant ones are left out; a ROI without any
    other is too. At most 512 rows and 2,000 voxels of a ROI are drawn, with a fixed seed.
    """
    rng = np.random.default_rng(0)
    rows = _some(rows, stimulus, rng)
    drawn = {name: rng.permutation(np.flatnonzero(mask))[:_VOXELS] for name, mask in rois.items()}
    columns = np.unique(np.concatenate([*drawn.values(), np.array([], int)]))
    parts = [(some, values[:, columns]) for some, values in source.blocks(rows)]
    shown = stimulus[np.concatenate([some for some, _ in parts])]
    values = np.concatenate([block for _, block in parts]).astype(np.float64)
    spread = values.std(axis=0)
    useful = np.isfinite(spread) & (spread > 0)
    scored = (values[:, useful] - values[:, useful].mean(axis=0)) / spread[useful]
    place = {int(column): index for index, column in enumerate(columns[useful])}
    pairs = np.argwhere(np.triu(shown[:, None] == shown, 1))
    orders = [rng.permutation(len(shown)) for _ in range(_DRAWS)]
    found = {}
    for name, voxels in drawn.items():
        chosen = [place[voxel] for voxel in voxels.tolist() if voxel in place]
        if not chosen:
            continue
        products = scored[:, chosen] @ scored[:, chosen].T
        agreement = products[pairs[:, 0], pairs[:, 1]].mean()
        exchanged = [products[order[pairs[:, 0]], order[pairs[:, 1]]].mean() for order in orders]
        found[name] = (1 + int(np.sum(np.array(exchanged) >= agreement))) / (1 + _DRAWS)
    return found


def _some(rows: np.ndarray, stimulus: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of as many images as fit into the limit, whole images at a time."""
    images, count = np.unique(stimulus[rows], return_counts=True)
    order = rng.permutation(len(images))
    kept = images[order][np.cumsum(count[order]) <= max(_ROWS, count[order[0]])]
    return rows[np.isin(stimulus[rows], kept)]

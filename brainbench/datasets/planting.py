"""Small simulated experiments for makers and tests: pictures, and voxels that really do read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

_GRID = 8  # places a side
FEATURES = _GRID * _GRID * 3
_READ = 4  # figures of the content that a voxel reads
# Places a side -> share of the range of grey values: mostly coarse, as photographs are, so that few images show what is read.
_SCALES = {1: 0.4, 2: 0.3, 4: 0.2, 8: 0.1}
_POWER = sum(share**2 for share in _SCALES.values())
_PIXEL_SD = 255 * (_POWER / 12) ** 0.5


def small_images(numbers: int | Sequence[int] | np.ndarray, seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth random pictures [S, size, size, 3] uint8 and their content [S, 192].

    numbers: which ones, or how many: the picture of one number is the same whatever others are asked for, so that subjects can
    share some. content: the 8 x 8 RGB values a picture is blown up from, float32, with mean 0 and sd 1 over all pictures.
    """
    grids = _grids(numbers, seed)
    pictures = np.empty((len(grids), size, size, 3), np.uint8)
    for picture, grid in zip(pictures, grids, strict=True):
        picture[:] = _blown_up(grid, size)
    return pictures, _content(grids)


def write_images(
    folder: Path, names: Sequence[str], seed: int, size: int, numbers: Sequence[int] | np.ndarray | None = None
) -> np.ndarray:
    """Write the pictures of ``small_images`` as PNG files of these names into ``folder``; returns their content [S, 192].

    numbers: S, as in ``small_images``; without them 0, 1, 2 ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    grids = _grids(len(names) if numbers is None else numbers, seed)
    for name, grid in zip(names, grids, strict=True):
        # Quick rather than small: the pictures are tiny.
        Image.fromarray(_blown_up(grid, size)).save(folder / name, format="PNG", compress_level=1)
    return _content(grids)


def planted(
    content: np.ndarray,
    voxels: int,
    seed: int,
    rows: np.ndarray | None = None,
    noise: float | np.ndarray = 1.0,
    block: int = 512,
) -> Iterator[np.ndarray]:
    """Responses [R, V] in blocks [b, V] float32: every voxel reads four figures of the content, signal sd 1, and has noise.

    content: [S, 192] of ``small_images``; rows: [R] the stimulus of each row, repeats get fresh noise, without them one row a
    stimulus; noise: sd, one or [V], so that one trial's noise ceiling is 1 / (1 + noise^2); block: rows of a block, which
    change the values by rounding only. The same ``seed`` gives the same voxels for any content, and the same noise: ask for all
    rows of a subject at once.
    """
    chosen = np.random.default_rng([seed, 0])
    read = chosen.random((FEATURES, voxels), np.float32).argpartition(_READ, axis=0)[:_READ]
    drawn = chosen.standard_normal((_READ, voxels), np.float32)
    variance = np.einsum("iv,jv,ijv->v", drawn, drawn, _correlation()[read[:, None], read])
    weights = np.zeros((FEATURES, voxels), np.float32)
    np.put_along_axis(weights, read, drawn / np.sqrt(variance), axis=0)
    order = np.arange(len(content)) if rows is None else rows
    fresh = np.random.default_rng([seed, 1])
    scale = np.asarray(noise, np.float32)
    for start in range(0, len(order), block):
        values = fresh.standard_normal((len(order[start : start + block]), voxels), np.float32)
        values *= scale
        values += content[order[start : start + block]] @ weights
        yield values


def _grids(numbers: int | Sequence[int] | np.ndarray, seed: int) -> np.ndarray:
    """[S, 8, 8, 3] uint8: random colours on grids of every scale, added up."""
    wanted = np.arange(numbers) if isinstance(numbers, int) else np.asarray(numbers, int)
    places = [side * side for side in _SCALES]
    shape = (int(wanted.max(initial=-1)) + 1, sum(places), 3)
    drawn = np.random.default_rng(seed).random(shape, np.float32)[wanted]
    total = np.zeros((len(wanted), _GRID, _GRID, 3), np.float32)
    for (side, share), part in zip(_SCALES.items(), np.split(drawn, np.cumsum(places)[:-1], axis=1), strict=True):
        coarse = part.reshape(-1, side, side, 3)
        total += share * coarse.repeat(_GRID // side, axis=1).repeat(_GRID // side, axis=2)
    return np.asarray(np.rint(255 * total), np.uint8)


def _correlation() -> np.ndarray:
    """[192, 192] float32, between the figures of the content: of what two places share at every scale, colour by colour."""
    row, column = np.divmod(np.arange(_GRID * _GRID), _GRID)
    alike = np.zeros((_GRID * _GRID, _GRID * _GRID))
    for side, share in _SCALES.items():
        place = row * side // _GRID * side + column * side // _GRID
        alike += share**2 / _POWER * (place[:, None] == place)
    return np.asarray(np.kron(alike, np.eye(3)), np.float32)


def _content(grids: np.ndarray) -> np.ndarray:
    return np.asarray((grids.reshape(len(grids), FEATURES) - 127.5) / _PIXEL_SD, np.float32)


def _blown_up(grid: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))

"""The data file ``embedding``: tokens of images, layers and backbones in one spectral embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainbench import UsageError, did_you_mean
from brainbench_alignedcut.files import DataFile


@dataclass(frozen=True)
class Embedding(DataFile):
    """M nodes, the local tokens of n images in L layers: layer by layer, then image by image, then row by row of the grid.

    title: whose they are; simulated: no brain was measured; layers: L names; backbones: L names, the
    backbone of each layer; grids: [L, 2] height and width of each; images: n names; pictures: uint8 [n, S, S, 3], small copies;
    vectors: float32 [M, C], eigenvectors; values: [C], their eigenvalues; colours: uint8 [M, 3], 3-D t-SNE of the
    eigenvectors; plane: float32 [M, 2], 2-D t-SNE; ground: int8 [M], 1 foreground, 0 background, -1 neither, or no masks;
    rois: R names; activation: float32 [M, R], mean activation of each ROI's voxels by the token, in standard deviations of
    their responses; notes: what was done otherwise than asked, one sentence each.
    """

    title: str
    simulated: bool
    layers: tuple[str, ...]
    backbones: tuple[str, ...]
    grids: np.ndarray
    images: tuple[str, ...]
    pictures: np.ndarray
    vectors: np.ndarray
    values: np.ndarray
    colours: np.ndarray
    plane: np.ndarray
    ground: np.ndarray
    rois: tuple[str, ...]
    activation: np.ndarray
    notes: tuple[str, ...] = ()

    @classmethod
    def shapes(cls) -> dict[str, tuple[int | str, ...]]:
        """Name of an array -> its lengths."""
        return {
            "grids": ("layers", 2),
            "pictures": ("images", "S", "S", 3),
            "vectors": ("M", "C"),
            "values": ("C",),
            "colours": ("M", 3),
            "plane": ("M", 2),
            "ground": ("M",),
            "activation": ("M", "rois"),
        }

    def misfit(self) -> str | None:
        """Return the name of an array that does not fit the others, or None."""
        if wrong := super().misfit():
            return wrong
        if len(self.backbones) != len(self.layers):
            return f"backbones has {len(self.backbones)} names, where layers has {len(self.layers)}"
        nodes = len(self.images) * int(np.prod(self.grids, axis=1).sum())
        return None if nodes == len(self.ground) else f"{len(self.ground)} nodes, but images and grids make {nodes}"

    def nodes(self, layer: int) -> slice:
        """Return the range of a layer's nodes."""
        ends = np.cumsum([0, *(len(self.images) * np.prod(self.grids, axis=1))])
        return slice(int(ends[layer]), int(ends[layer + 1]))

    def on_grid(self, array: np.ndarray, layer: int) -> np.ndarray:
        """Return a layer's part of an array [M, ...]: [n, h, w, ...]."""
        height, width = map(int, self.grids[layer])
        return array[self.nodes(layer)].reshape(len(self.images), height, width, *array.shape[1:])

    def layer(self, name: str | None) -> int:
        """Return the number of a layer by its name, or by ``BACKBONE:LAYER`` in a joint backbone; None means the last.

        Raises UsageError unless the name selects one layer.
        """
        full = [f"{backbone}:{layer}" for backbone, layer in zip(self.backbones, self.layers, strict=True)]
        if name is None:
            return len(full) - 1
        found = [number for number, one in enumerate(full) if name in (one, self.layers[number])]
        if len(found) != 1:
            known = [*self.layers] if len(set(self.layers)) == len(full) else full
            raise UsageError(
                f"--layer {name}: {'not one layer alone' if found else 'no such layer'}{did_you_mean(name, known)}; there are: "
                f"{', '.join(known)}"
            )
        return found[0]

    def stretches(self) -> dict[str, list[int]]:
        """Backbone -> numbers of its layers, in their order."""
        return {
            name: [i for i, one in enumerate(self.backbones) if one == name] for name in dict.fromkeys(self.backbones)
        }

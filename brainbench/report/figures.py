"""Pictures that stand still: figures of brainbench.plot as PNG, those that the pages do not paint themselves."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from matplotlib.figure import Figure

from brainbench.plot import MAPS, Voxels
from brainbench.plot.figures import style
from brainbench.plot.meshes import paintable

DPI = 110
# Kind -> (heading, what is to be seen, for those who do not see it).
CAPTIONS = {
    "layers": ("Layer map", "Voxels by ROI, coloured by the layer with the largest weight; brighter where they are more decided."),
    "weights": ("Layer weights", "Mean weight of every layer, ROI by ROI."),
    "scale": ("Scale map", "Voxels by ROI, coloured by the scale selector: 0 local tokens, 1 the global token."),
    "r2": ("R2 map", "Voxels by ROI, coloured by R2 on the test images."),
    "space": ("Space map", "Where in the image the voxels of each ROI look, coloured by their layers."),
}  # fmt: skip
# What needs which array of the voxels.
_NEEDS = {"layers": "layer", "weights": "layer", "scale": "scale", "r2": "r2", "space": "space"}


def pictures(voxels: Voxels) -> dict[str, bytes]:
    """Kind -> PNG, of what there is to show; with a mesh only what is no map of the cortex."""
    wanted = [kind for kind in CAPTIONS if kind == "space" or not paintable(voxels.surface)]
    there = [kind for kind in wanted if getattr(voxels, _NEEDS[kind]) is not None]
    return {kind: png(MAPS[kind], voxels) for kind in there if kind != "space" or voxels.layer is not None}


def png(draw: Callable[[Voxels], Figure], voxels: Voxels) -> bytes:
    """A figure as PNG; the same voxels give the same bytes."""
    target = BytesIO()
    figure = draw(voxels)
    with style():
        figure.savefig(target, format="png", dpi=DPI, metadata={"Software": None}, facecolor="white")
    return target.getvalue()

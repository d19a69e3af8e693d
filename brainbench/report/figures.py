"""Still pictures: figures of brainbench.plot as PNG, which the pages do not paint themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO

from brainbench import plot
from brainbench.errors import UsageError
from brainbench.plot import KINDS, Voxels

DPI = 110
# Kind -> (heading, what is to be seen, for those who do not see it).
CAPTIONS = {
    "layers": ("Layer map", "Voxels by ROI, coloured by the layer with the largest weight; brighter where more decided."),
    "weights": ("Layer weights", "Mean weight of every layer, ROI by ROI."),
    "scale": ("Scale map", "Voxels by ROI, coloured by the scale selector: 0 local tokens, 1 the global token."),
    "r2": ("R2 map", "Voxels by ROI, coloured by R2 on the test images."),
    "space": ("Space map", "Where in the image the voxels of each ROI look, coloured by their layers."),
    "selectors": ("Selector histograms", "Confidence, scale and layer place of the voxels of each ROI."),
    "correlation": ("Layer correlation", "How alike the layers are as this fit aligned them, and whether to trust the layer map."),
    "training": ("Training curve", "Training loss and R2 on the validation images over steps, a line a subject."),
}  # fmt: skip
_PAINTED = ("layers", "weights", "scale", "r2")
# Kinds that are slow to draw, or add nothing for single subjects, are drawn only for all subjects together.
_OF_ALL = ("selectors", "training")


def pictures(voxels: Voxels, *, first: bool, painted: bool) -> dict[str, bytes]:
    """Return kind -> PNG, for the kinds that the data have.

    first: whether this is the tab shown first, not one of several subjects; painted: whether the page itself paints the
    maps.
    """
    skipped = (*(_PAINTED if painted else ()), *(() if first else _OF_ALL))
    return dict(_drawn((kind for kind in CAPTIONS if kind not in skipped), voxels))


def _drawn(kinds: Iterable[str], voxels: Voxels) -> Iterator[tuple[str, bytes]]:
    for kind in kinds:
        try:
            figure = getattr(plot, KINDS[kind].draw)(voxels)
        except UsageError:  # nothing of the kind was fitted or kept
            continue
        target = BytesIO()
        figure.savefig(target, format="png", dpi=DPI, metadata={"Software": None}, facecolor="white")
        yield kind, target.getvalue()

"""Data that the pages paint: the mesh, once per report; for every panel, its voxels' positions and values."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_hex

from brainbench.metrics.layer_profile import layer_confidence, layer_place
from brainbench.plot import Voxels, layer_paint
from brainbench.plot.cortex_figure import regions_of
from brainbench.plot.meshes import SIDES, Cortex, cortex
from brainbench.types import Surface

MESH, PALETTES = Path("assets/mesh.js"), Path("assets/palettes.css")
_MESH = "fsaverage5"
_STEPS = 200  # of a mm: coordinates of either surface fit 16 bits
# Kind of figure -> palette, as in brainbench.plot.
_PAINTS = {"r2": "magma", "scale": "cividis", "confidence": "cividis", "place": "cividis"}
_PALETTES = ("magma", "cividis", "PuOr")


def mesh_script() -> bytes:
    """Return both hemispheres of fsaverage5, flat and inflated, and the palettes, as a script that pages load."""
    steps, sheets = np.linspace(0, 1, 256), cortex(Surface(_MESH, np.array([]), np.array([])), None)
    assert sheets is not None
    content = {
        "vertices": len(sheets.flat["left"].points),
        "sides": [_side(sheets, side) for side in SIDES],
        "paints": _PAINTS,
        "palettes": {name: _text(_bytes(matplotlib.colormaps[name](steps)[:, :3])) for name in _PALETTES},
    }
    return f"brainbench.mesh = {json.dumps(content)};\n".encode()


def palette_style() -> bytes:
    """Return the palettes as bars next to the maps."""
    bars = {**_PAINTS, **{name: name for name in _PALETTES}}
    lines = []
    for kind, name in bars.items():
        stops = ", ".join(to_hex(colour) for colour in matplotlib.colormaps[name](np.linspace(0, 1, 11)))
        lines.append(f".bar.{kind} .ramp {{ background: linear-gradient(to right, {stops}); }}\n")
    return "".join(lines).encode()


def _side(sheets: Cortex, side: str) -> dict[str, str]:
    flat, inflated = sheets.flat[side], sheets.inflated[side]
    return {
        "flat": _text(_coordinates(flat.points)),
        "inflated": _text(_coordinates(inflated.points)),
        "flat_faces": _text(flat.faces.astype("<u2")),
        "faces": _text(inflated.faces.astype("<u2")),
        "sulci": _text(np.packbits(flat.sulci)),
    }


def panel(voxels: Voxels) -> dict[str, Any]:
    """Return the voxels as plain JSON: means by ROI and, with a mesh, values for each voxel (arrays as base64)."""
    figures = {kind: array for kind in ("r2", "scale") if (array := getattr(voxels, kind)) is not None}
    if voxels.layer is not None and voxels.layer.shape[1] > 1:
        figures |= {"confidence": layer_confidence(voxels.layer), "place": layer_place(voxels.layer)}
    content: dict[str, Any] = {"means": _means(voxels, figures) if figures else []}
    if not figures:
        return content
    sheets = cortex(voxels.surface, None)
    if sheets is None:
        return content | {"values": {kind: _text(array.astype("<f4")) for kind, array in figures.items()}}
    # Of a finer mesh, the vertices that fsaverage5 has too.
    vertex = np.asarray(sheets.surface.vertex)
    rows = np.flatnonzero(vertex < len(sheets.flat["left"].points))
    content |= {
        "vertex": _text(vertex[rows].astype("<u2")),
        "right": _text(np.packbits(np.asarray(sheets.surface.hemisphere)[rows] == "right")),
        "rois": {name: _text(np.packbits(mask[rows])) for name, mask in voxels.rois.items() if mask[rows].any()},
        "values": {kind: _text(array[rows].astype("<f4")) for kind, array in figures.items()},
        "limits": {kind: _limits(kind, array) for kind, array in figures.items()},
        "layers": list(voxels.layers),
    }
    if voxels.layer is not None:
        weights = voxels.layer[rows]
        confidence = figures.get("confidence", np.ones(voxels.count))[rows]
        content |= {
            "paint": _text(_bytes(layer_paint(weights, confidence))),
            "best": _text(weights.argmax(axis=1).astype("<u2")),
            "weights": _text(_bytes(weights)),
        }
        content["limits"]["weights"] = [0.0, float(weights.max())]
    return content


def row_script(row: str, panels: dict[str, dict[str, Any]]) -> bytes:
    """Return a row's panels by name, as a script that its page and the comparison load."""
    return f"brainbench.rows[{json.dumps(row)}] = {json.dumps(panels, allow_nan=False)};\n".encode()


def _means(voxels: Voxels, figures: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    found = []
    for name, mask in regions_of(voxels).items():
        means = {kind: float(f"{array[mask].mean():.6g}") for kind, array in figures.items()}
        found.append(
            {"roi": name, "voxels": int(mask.sum()), **{k: v if np.isfinite(v) else None for k, v in means.items()}}
        )
    return found


def _limits(kind: str, values: np.ndarray) -> list[float]:
    """Return the limits of the colour bar: R2 up to its 99 % quantile, as on the R2 map; shares from 0 to 1."""
    finite = values[np.isfinite(values)]
    if kind != "r2":
        return [0.0, 1.0]
    return [0.0, max(float(np.quantile(finite, 0.99)) if len(finite) else 1.0, 0.01)]


def _coordinates(points: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(points * _STEPS).astype("<i2"))


def _bytes(shares: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(np.clip(shares, 0, 1) * 255).astype(np.uint8))


def _text(array: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(array).tobytes()).decode()

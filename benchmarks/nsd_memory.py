"""Memory and time of ridge and of the metrics in blocks at the size of an NSD subject, on generated tokens and responses.

python benchmarks/nsd_memory.py [--images 9000] [--test 1000] [--voxels 38000] [--layers 12] [--channels 768]
    [--encoder ridge] [--phases ridge,predict,r2,pearson,grid] [--json]

Responses lie in mapped files, as datasets keep them; tokens are made whenever they are read. Peaks are of the anonymous memory
of this process (``RssAnon``), the interpreter with its libraries included; beside them the estimate that a run prints.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine

from brainbench import FitContext, MetricInputs, Predictions, Responses, Selectors
from brainbench.registry import installed
from brainbench.util.memory import AnonymousPeak, anonymous_mb

GRID, RANK = 8, 24
METRICS = ("r2", "pearson", "grid")


class MadeTokens:
    """Tokens of low rank plus noise, a function of row and layer; nothing is kept."""

    key = "made"

    def __init__(self, images: int, layers: int, channels: int) -> None:
        self._images, size = images, channels * GRID * GRID
        self.layers = tuple(f"block{i}" for i in range(layers))
        self.channels, self.grids = (channels,) * layers, ((GRID, GRID),) * layers
        rng = np.random.default_rng(0)
        self.codes = rng.standard_normal((images, RANK), dtype=np.float32)
        self._basis = rng.standard_normal((RANK, size), dtype=np.float32)
        self._noise = rng.standard_normal(size + 7919, dtype=np.float32)

    def __len__(self) -> int:
        return self._images

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, C, 8, 8] float16."""
        rows = np.arange(self._images)[rows]
        tokens = np.roll(self.codes, layer, axis=1)[rows] @ self._basis
        for token, row in zip(tokens, rows.tolist(), strict=True):
            start = (row * 31 + layer * 977) % 7919
            token += self._noise[start : start + len(token)]
        return tokens.astype(np.float16).reshape(len(rows), -1, GRID, GRID)

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, C] float16."""
        rows = np.arange(self._images)[rows]
        parts = np.array_split(rows, 1 + len(rows) // 64)
        return np.concatenate([self.local_tokens(layer, part).mean(axis=(2, 3)) for part in parts])


def mapped(path: Path, features: MadeTokens, voxels: int) -> np.ndarray:
    """Responses [n, V] float32 in a file: linear in what the tokens are made of, and noise."""
    rng = np.random.default_rng(1)
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(len(features), voxels))
    weights = rng.standard_normal((RANK, voxels), dtype=np.float32)
    for start in range(0, len(features), 256):
        rows = slice(start, start + 256)
        values[rows] = features.codes[rows] @ weights + 3 * rng.standard_normal(
            (len(values[rows]), voxels), dtype=np.float32
        )
    values.flush()
    return np.load(path, mmap_mode="r")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in (("images", 9000), ("test", 1000), ("voxels", 38_000), ("layers", 12), ("channels", 768)):
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--encoder", default="ridge")
    parser.add_argument("--phases", default="ridge,predict,r2,pearson,grid")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="brainbench-nsd-") as folder:
        result = measured(asked, Path(folder))
    print(json.dumps(result, indent=2) if asked.json else table(result))


def measured(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Every phase that was asked for, in order."""
    features = MadeTokens(asked.images, asked.layers, asked.channels)
    values = mapped(folder / "responses.npy", features, asked.voxels)
    split = np.full(asked.images, "train", dtype="<U5")
    split[-asked.test :], split[-2 * asked.test : -asked.test] = "test", "val"
    responses = Responses("1", values, np.arange(asked.images), split, "key")
    card = installed().encoders.get(asked.encoder).card
    settings = card.resolve_settings({})
    told = None
    if card.memory is not None:
        sizes = {"images": asked.images - asked.test, "test": asked.test, "voxels": asked.voxels}
        told = card.memory(**sizes, layers=asked.layers, channels=asked.channels, settings=settings) / 2**20
    rows: list[dict[str, Any]] = []
    fitted: Any = None

    def phase(name: str, work: Callable[[], Any]) -> Any:
        before, started = anonymous_mb(), time.perf_counter()
        with AnonymousPeak() as memory:
            found = work()
            rows.append(
                {"phase": name, "before_mb": before, "peak_mb": memory.mb, "seconds": time.perf_counter() - started}
            )
        return found

    phases = asked.phases.split(",")
    if "ridge" in phases:
        fitted = phase("fit", lambda: card.loader(settings=settings).fit(features, responses, FitContext(0, "cpu")))
    if "predict" in phases and fitted is not None:
        phase("predict", lambda: fitted.predict(features, responses.stimulus[split == "test"]))
    fitted = None
    ids = tuple(f"image {i}" for i in range(asked.images))
    layer = np.full((asked.voxels, asked.layers), 1 / asked.layers, dtype=np.float32)
    inputs = MetricInputs(
        Predictions(values, values, ids), Selectors(features.layers, layer=layer), responses, features
    )
    for name in METRICS:
        if name in phases:
            metric = installed().metrics.get(name).card.loader(settings={})
            phase(name, lambda metric=metric: metric.score(inputs))
    return {**{name: getattr(asked, name) for name in ("images", "test", "voxels", "layers", "channels", "encoder")},
            "estimate_mb": told, "phases": rows, **machine()}  # fmt: skip


def table(result: dict[str, Any]) -> str:
    """For people."""
    sizes = (
        "{images:,} images ({test:,} of them test) x {voxels:,} voxels, {layers} layers of {channels} channels".format(
            **result
        )
    )
    estimate = "none" if result["estimate_mb"] is None else f"{result['estimate_mb']:,.0f} MB"
    lines = [sizes, f"{result['processor']}; estimate for a fit of {result['encoder']}: {estimate}", ""]
    lines.append(f"{'':10}{'before MB':>12}{'peak MB':>12}{'seconds':>10}")
    for row in result["phases"]:
        lines.append(f"{row['phase']:10}{row['before_mb']:12,.0f}{row['peak_mb']:12,.0f}{row['seconds']:10.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""One recipe against numbers of steps, on planted voxels with few images and with many.

python benchmarks/recipe_sizes.py [--images 400,700,1000,3000] [--steps default,300,600,5000] [--encoder factortopy]
                                  [--ceiling 0.4] [--seed 0] [--set KEY=VALUE ...]

Voxels on a sheet respond by equation 1 to smooth random tokens; layer, scale and place follow the sheet. --images: in the
train split; an eighth as many validate, 400 test. default leaves the steps
to the recipe. Prints R2 on the test split beside the
ceiling, the slope of the layers found on the planted ones, the error in space, and the time.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

from brainbench import FitContext, Responses, Selectors
from brainbench.registry import installed

VOXELS, LAYERS, CHANNELS, SIDE, TEST = 200, 4, 32, 8, 400
# D of the planted channel align: fewer than a recipe may use.
DIM = 8
# Between neighbouring layers, as in the tokens of an untrained network.
CORRELATION = 0.7


@dataclass(frozen=True)
class SmoothTokens:
    """``brainbench.Features``: local [L][n, C, H, W], global [L][n, C]."""

    local: list[np.ndarray]
    glob: list[np.ndarray]
    key = "smooth"
    layers = tuple(f"layer{i + 1}" for i in range(LAYERS))
    channels = (CHANNELS,) * LAYERS
    grids = ((SIDE, SIDE),) * LAYERS

    def __len__(self) -> int:
        return len(self.glob[0])

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, C, H, W]."""
        return np.asarray(self.local[layer][rows])

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, C]."""
        return np.asarray(self.glob[layer][rows])


def smooth_tokens(images: int, rng: np.random.Generator) -> SmoothTokens:
    """Noise smoothed over the grid, every layer made in part of the one before it; global tokens are half an average."""
    local: list[np.ndarray] = []
    for _ in range(LAYERS):
        fresh = gaussian_filter(rng.normal(size=(images, CHANNELS, SIDE, SIDE)), (0, 0, 1.2, 1.2))
        fresh /= fresh.std()
        local.append(fresh if not local else CORRELATION * local[-1] + sqrt(1 - CORRELATION**2) * fresh)
    means = [layer.mean(axis=(2, 3)) for layer in local]
    glob = [mean / mean.std() + rng.normal(size=mean.shape) for mean in means]
    return SmoothTokens([t.astype(np.float16) for t in local], [t.astype(np.float16) for t in glob])


def planted(images: int, ceiling: float, seed: int) -> tuple[SmoothTokens, Responses, Selectors]:
    """Tokens, responses [n, V] with noise up to the ceiling, and what the voxels read."""
    rng = np.random.default_rng(seed)
    val = images // 8
    tokens = smooth_tokens(images + val + TEST, rng)
    sheet = rng.uniform(-1, 1, (VOXELS, 2))
    height = (sheet[:, 0] + 1) / 2
    layer = np.exp(-0.5 * ((np.arange(LAYERS) - height[:, None] * (LAYERS - 1)) / 0.6) ** 2)
    layer /= layer.sum(axis=1, keepdims=True)
    space = np.stack([0.8 * sheet[:, 1], 0.8 * np.sin(3 * sheet[:, 0])], axis=1)
    scale = 0.1 + 0.6 * height
    weights = np.einsum("vk,lkd->vld", rng.normal(size=(VOXELS, DIM)), rng.normal(size=(LAYERS, DIM, CHANNELS)))
    points = torch.from_numpy(space)[None, :, None].expand(len(tokens), -1, -1, -1)
    signal = sum(
        layer[:, index] * np.einsum("ndv,vd->nv", _read(tokens, index, points, scale), weights[:, index])
        for index in range(LAYERS)
    )
    signal /= signal.std(axis=0)
    values = signal + sqrt(1 / ceiling - 1) * rng.normal(size=signal.shape)
    split = np.repeat(["train", "val", "test"], [images, val, TEST])
    coordinates = np.c_[sheet * 40, 10 * np.cos(sheet[:, 1])].astype(np.float32)
    responses = Responses(
        "1", values.astype(np.float32), np.arange(len(tokens)), split, f"planted-{seed}", coordinates=coordinates
    )
    return tokens, responses, Selectors(tokens.layers, layer=layer, space=space, scale=scale)


def _read(tokens: SmoothTokens, index: int, points: Tensor, scale: np.ndarray) -> np.ndarray:
    """[n, C, V]: what voxels read of one layer."""
    local = F.grid_sample(torch.from_numpy(tokens.local[index].astype(np.float64)), points, align_corners=False)[..., 0]
    return np.asarray((1 - scale) * local.numpy() + scale * tokens.glob[index].astype(np.float64)[:, :, None])


@dataclass(frozen=True)
class Found:
    """Figures of one fit. NaN where the encoder has no such selector."""

    r2: float
    slope: float
    space_error: float
    steps: int
    seconds: float


def fitted(encoder: str, settings: dict[str, Any], problem: tuple[SmoothTokens, Responses, Selectors]) -> Found:
    """One fit, and what it found."""
    tokens, responses, truth = problem
    card = installed().encoders.get(encoder).card
    start = time.process_time()
    fit = card.loader(settings=card.resolve_settings(settings)).fit(tokens, responses, FitContext(0, "cpu"))
    seconds = time.process_time() - start
    test = responses.rows("test")
    observed = responses.values[test]
    residual = np.square(observed - fit.predict(tokens, responses.stimulus[test])).sum(axis=0)
    r2 = float((1 - residual / np.square(observed - observed.mean(axis=0)).sum(axis=0)).mean())
    slope = space_error = float("nan")
    chosen, index = fit.selectors, np.arange(LAYERS)
    if chosen is not None and chosen.layer is not None:
        slope = float(np.polyfit(truth.layer @ index, chosen.layer @ index, 1)[0])
    if chosen is not None and chosen.space is not None:
        space_error = float(np.linalg.norm(chosen.space - truth.space, axis=1).mean())
    return Found(r2, slope, space_error, int(fit.history[-1]["step"]), seconds)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default="400,700,1000,3000")
    parser.add_argument("--steps", default="default,300,600,5000")
    parser.add_argument("--encoder", default="factortopy")
    parser.add_argument("--ceiling", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    torch.set_num_threads(1)
    more = dict[str, Any](text.split("=", 1) for text in given.set)
    print(f"{'images':>6} {'steps':>6} {'R2':>7} {'slope':>6} {'space':>6} {'s':>5}   ceiling {given.ceiling}")
    for images in map(int, given.images.split(",")):
        problem = planted(images, given.ceiling, given.seed)
        for steps in given.steps.split(","):
            found = fitted(given.encoder, more if steps == "default" else more | {"steps": steps}, problem)
            figures = f"{found.r2:7.3f} {found.slope:6.2f} {found.space_error:6.2f} {found.seconds:5.0f}"
            print(f"{images:6d} {found.steps:6d} {figures}", flush=True)


if __name__ == "__main__":
    main()

"""What ``trust`` finds of layers planted with a known identifiability, by their width and the number of images.

python benchmarks/identifiability.py [--widths 96,384,768,1024] [--images 60,128,needed] [--json]

Tokens are noise that is smooth over the 8 x 8 grid. One layer's features are a linear map of the other's tokens but for a share
of their variance, which is what the figure should be. "-" stands where it says that this cannot be told.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from measure import machine

from brainbench.fitting import images_needed, layer_likeness

SHARES = (0.01, 0.02, 0.05)
DIM, SMOOTH = 16, 1.5


def smooth(images: int, channels: int, rng: np.random.Generator) -> np.ndarray:
    """[n, 64, C], standard deviation 1."""
    place = np.arange(8)
    weights = np.exp(-0.5 * np.square((place[:, None] - place) / SMOOTH)).astype(np.float32)
    tokens = rng.standard_normal((images, 8, 8, channels), dtype=np.float32)
    tokens = np.einsum("ij,njlc->nilc", weights, tokens)
    tokens = np.einsum("kl,nilc->nikc", weights, tokens)
    return np.asarray((tokens / tokens.std()).reshape(images, 64, channels))


def found(channels: int, images: int, share: float, seed: int) -> tuple[float | None, float]:
    """(identifiability as ``trust`` sees it, None where it cannot be told; seconds)."""
    rng = np.random.default_rng(seed)
    given = smooth(images, channels, rng)
    read, alone = given @ rng.standard_normal((channels, DIM), dtype=np.float32), smooth(images, DIM, rng)
    read = np.sqrt(1 - share) * read / read.std(axis=(0, 1)) + np.sqrt(share) * alone / alone.std(axis=(0, 1))
    aligned = torch.from_numpy(np.stack([read, given[..., :DIM]]))
    started = time.perf_counter()
    # The first layer's own tokens decide nothing of how the second one gives its features.
    _, likeness = layer_likeness([torch.from_numpy(read), torch.from_numpy(given)], aligned, torch.eye(DIM))
    figure = 1 - float(likeness[0, 1])
    return None if np.isnan(figure) else figure, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", default="96,384,768,1024")
    parser.add_argument("--images", default="60,128,needed", help="needed: as many as a fit takes for layers so wide")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if not asked.json:
        print(
            f"{'channels':>9}{'images':>8}"
            + "".join(f"{f'true {share:g}':>11}" for share in SHARES)
            + f"{'seconds':>9}"
        )
    for width in map(int, asked.widths.split(",")):
        counts = {images_needed(width) if count == "needed" else int(count) for count in asked.images.split(",")}
        for images in sorted(counts):
            seen = [found(width, images, share, seed) for seed, share in enumerate(SHARES)]
            figures = dict(zip(map(str, SHARES), (figure for figure, _ in seen), strict=True))
            rows.append({"channels": width, "images": images, "found": figures, "seconds": max(s for _, s in seen)})
            if not asked.json:
                told = "".join(f"{'-' if figure is None else f'{figure:.3f}':>11}" for figure, _ in seen)
                print(f"{width:9}{images:8}{told}{rows[-1]['seconds']:9.1f}", flush=True)
    if asked.json:
        print(json.dumps({"rows": rows, **machine()}, indent=2))


if __name__ == "__main__":
    main()

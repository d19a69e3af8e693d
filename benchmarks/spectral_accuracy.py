"""How much of the exact eigenvectors a sub-sample gives: ours, equation 4 of AlignedCut, and ncut-pytorch's, on the same tokens.

pip install ncut-pytorch
python benchmarks/spectral_accuracy.py [--backbone NAME] [--layer N] [--nodes N] [--samples 1000,3000]

Reference: the whole graph solved in float64 by scipy. kept: share of the exact eigenvectors 2 to 20 that lies in the span of those
found, weighted by eigenvalue; angles between the spans of the leading 10 and 20, in degrees.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch
from brainbench_alignedcut.spectral import embed
from ncut_pytorch.ncuts import ncut_nystrom
from PIL import Image
from scipy.sparse.linalg import eigsh
from sklearn.metrics.pairwise import cosine_similarity

import brainbench
from brainbench.builtin.datasets.demo.scenes import scene

COUNT = 20
SUPPLY = 7  # of scenes, none of which the demo has


def tokens(backbone: str, layer: int, count: int) -> np.ndarray:
    """[count, C] of the local tokens of generated scenes."""
    shown = [scene(SUPPLY, index).image for index in range(-(-count // 64))]
    stimuli = brainbench.Stimuli(
        tuple(f"scene{index}" for index in range(len(shown))),
        tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in shown),
        lambda index: Image.fromarray(shown[index]),
    )
    local = brainbench.features(backbone, stimuli).local_tokens(layer - 1, slice(None))
    return local.transpose(0, 2, 3, 1).reshape(-1, local.shape[1])[:count]


def exact(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(eigenvalues, eigenvectors) of the whole graph, one more than COUNT of each, by falling eigenvalue."""
    affinity = np.exp(cosine_similarity(nodes.astype(np.float64)) - 1)
    root = np.sqrt(affinity.sum(axis=1))
    values, vectors = eigsh(affinity / root / root[:, None], COUNT + 1, which="LA", v0=np.ones(len(nodes)), tol=1e-12)
    return values[::-1], vectors[:, ::-1]


def told(name: str, found: Callable[[], np.ndarray], values: np.ndarray, vectors: np.ndarray) -> str:
    """One line: angles, what is kept, CPU seconds."""
    started = time.process_time()
    said = found().astype(np.float64)
    spent = time.process_time() - started
    span = np.linalg.qr(said[:, :COUNT])[0]
    kept = ((span.T @ vectors[:, 1:COUNT]) ** 2).sum(axis=0) @ values[1:COUNT] / values[1:COUNT].sum()
    angles = []
    for k in (10, COUNT):
        between = np.degrees(scipy.linalg.subspace_angles(said[:, :k], vectors[:, :k]))
        angles.append(f"top {k}: largest {between.max():5.1f} mean {between.mean():5.1f}")
    return f"  {name:32s} kept {kept:.3f}   {'   '.join(angles)}   CPU {spent:.2f} s"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="random")
    parser.add_argument("--layer", type=int, default=10)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--samples", default="1000,3000")
    asked = parser.parse_args()
    # Below this it would solve the whole graph, which is the reference.
    ncut_nystrom.SMALL_SCALE_THRESHOLD = 0
    nodes = tokens(asked.backbone, asked.layer, asked.nodes)
    values, vectors = exact(nodes)
    unit = torch.from_numpy(nodes.astype(np.float32))
    unit = torch.nn.functional.normalize(unit, dim=1)
    print(f"{asked.backbone}, layer {asked.layer}: {nodes.shape[0]} nodes of {nodes.shape[1]} channels")
    for sample in map(int, asked.samples.split(",")):
        print(f"{sample} sampled")
        ways: dict[str, Callable[[], np.ndarray]] = {
            "Nystrom extension (default)": lambda m=sample: embed(nodes, COUNT, sample=m).vectors,
            "equation 4, K = 10": lambda m=sample: embed(nodes, COUNT, sample=m, neighbours=10).vectors,
            "equation 4, K = 100 (the paper)": lambda m=sample: embed(nodes, COUNT, sample=m, neighbours=100).vectors,
            "ncut-pytorch": lambda m=sample: ncut_nystrom.ncut_fn(unit, COUNT, sigma=1.0, n_sample=m, n_sample2=m)[
                0
            ].numpy(),
        }
        for name, found in ways.items():
            print(told(name, found, values, vectors))


if __name__ == "__main__":
    main()

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brainbench_nsd.algonauts.card import ALGONAUTS2023
from PIL import Image

from brainbench import UsageError
from brainbench.datasets import icosphere, read_cortex

Load = Callable[..., Any]
Make = Callable[..., Path]
KINDS = ("prf-visualrois", "floc-bodies", "floc-faces", "floc-places", "floc-words", "streams")


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_layout_is_that_of_the_release(made: Path) -> None:
    masks = [f"mapping_{kind}.npy" for kind in KINDS]
    for side in ("lh", "rh"):
        masks += [f"{side}.{kind}_{space}_space.npy" for kind in KINDS for space in ("challenge", "fsaverage")]
        masks.append(f"{side}.all-vertices_fsaverage_space.npy")
    found = files(made)
    assert sorted(name for name in found if name.startswith("subj01/roi_masks/")) == sorted(
        f"subj01/roi_masks/{name}" for name in masks
    )
    assert sum(name.startswith("subj01/training_split/training_images/train-00") for name in found) == 60
    assert sum(name.startswith("subj01/test_split/test_images/test-000") for name in found) == 5
    fmri = made / "subj01" / "training_split" / "training_fmri"
    for name, shape in (("lh", (60, 190)), ("rh", (60, 205))):
        values = np.load(fmri / f"{name}_training_fmri.npy")
        assert (values.shape, values.dtype, values.flags.c_contiguous) == (shape, np.float32, True)
    assert found["simulated.txt"].startswith(b"Simulated, no brain was measured")


@pytest.mark.slow
def test_the_same_seed_makes_the_same_bytes(tmp_path: Path, maker: Make) -> None:
    small = {"images": 30, "left": 10, "right": 12, "size": 8, "surface": False}
    one, two = maker(tmp_path / "one", **small), maker(tmp_path / "two", **small)
    assert files(one) == files(two)
    assert files(maker(tmp_path / "three", **small, seed=1)) != files(one)


def test_a_shared_image_looks_alike_to_all_and_the_others_are_different_ones(made: Path) -> None:
    seen: list[dict[str, bytes]] = []
    for subject in ("subj01", "subj02"):
        paths = (made / subject).rglob("*_nsd-*.png")
        seen.append({path.stem.split("_")[1]: Image.open(path).tobytes() for path in paths})
    shared = seen[0].keys() & seen[1].keys()
    assert len(shared) == 6
    assert all(len(images) == 65 for images in seen)
    assert all(seen[0][name] == seen[1][name] for name in shared)
    assert len({*seen[0].values(), *seen[1].values()}) == 124


def test_marked_vertices_lie_together_at_the_back(made: Path) -> None:
    marks = np.load(made / "subj01" / "roi_masks" / "lh.all-vertices_fsaverage_space.npy")
    assert marks.sum() == 190
    points = icosphere(7)[0][marks == 1]
    middle = points.mean(axis=0)
    assert middle[1] < -0.95
    assert np.linalg.norm(points - middle, axis=1).max() < 0.1


def test_patches_are_round_and_those_of_a_class_do_not_overlap(made: Path) -> None:
    masks = made / "subj01" / "roi_masks"
    points = icosphere(7)[0][np.load(masks / "lh.all-vertices_fsaverage_space.npy") == 1]
    numbers = np.load(masks / "lh.prf-visualrois_challenge_space.npy")
    assert set(numbers.tolist()) == set(range(8))
    centres = np.stack([points[numbers == number].mean(axis=0) for number in range(1, 8)])
    own = np.linalg.norm(points[numbers > 0] - centres[numbers[numbers > 0] - 1], axis=1).mean()
    assert own < 0.6 * np.linalg.norm(points - points.mean(axis=0), axis=1).mean()


def test_a_surface_is_written_where_it_will_be_found(tmp_path: Path, maker: Make, load: Load) -> None:
    root = maker(tmp_path / "release", images=30, left=10, right=10, size=8)
    assert read_cortex(root / "fsaverage").vertices == 163_842
    assert "coordinates" in load(root).provides


def test_settings_have_bounds() -> None:
    images = next(setting for setting in ALGONAUTS2023.maker_settings if setting.name == "images")
    with pytest.raises(UsageError, match=r"algonauts2023\.images=5: must be at least 30"):
        images.parse("5", "algonauts2023")

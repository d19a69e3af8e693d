"""Extraction of tokens, pictures on disk to the feature store, beside the bare forward pass of the same network.

python benchmarks/extraction.py --backbone imagenet/vit-b-16 [--images N] [--batch N] [--rounds N] [--device cuda] [--json]
python benchmarks/extraction.py --backbone imagenet/mini --growth 100,1000

Bare: the network's own forward on batches that are ready. Ours: decode, squash, forward, read every layer, resample to 8 x 8,
check, convert, write with checksums. Both in turn, in one process; weights as the library draws them. ``--growth``: the most
memory of a whole extraction, by number of images, each in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import in_a_process, interleaved, machine, peak_gb
from PIL import Image

from brainbench import Stimuli
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.picks import BackbonePick
from brainbench.planning.settings import Assignments
from brainbench.planning.tokens import token_request
from brainbench.registry import installed
from brainbench.runner import FeatureReader, load_backbone
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent

SIDE = 425  # of the pictures, in pixels: NSD's


def pictures(folder: Path, count: int) -> Stimuli:
    """``count`` different JPEG files, as photographs are stored."""
    rng = np.random.default_rng(0)
    paths, digests = [], []
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8))
        path = folder / f"{number:05d}.jpg"
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, quality=90)
        paths.append(path)
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return Stimuli(tuple(p.name for p in paths), tuple(digests), lambda row: Image.open(paths[row]))


class Extraction:
    """One backbone, its pictures and a cache that is emptied before every run."""

    def __init__(self, name: str, images: int, batch: int, device: str, folder: Path) -> None:
        registry = installed()
        untrained = "" if registry.backbones.get(name).card.weights in ("untrained", "none") else "@untrained"
        (self.pick,) = pick_backbones(
            name + untrained,
            registry,
            Assignments([f"{name}.batch={batch}"]),
            simulated=False,
            weights=(),
            controls=False,
            device=device,
        )
        assert isinstance(self.pick, BackbonePick)
        (folder / "pictures").mkdir()
        stimuli = pictures(folder / "pictures", images)
        self.request = token_request(self.pick, stimuli, "8")
        self.folders = Folders(folder, folder, folder / "cache")
        self.reader = FeatureReader(self.folders, device, Silent())
        self.images, self.batch, self.device = images, batch, device

    def ours(self) -> None:
        """Everything from the files to the store, the network being loaded already (by the first run)."""
        shutil.rmtree(self.folders.features, ignore_errors=True)
        self.folders.features.mkdir(parents=True)
        self.reader._stores.clear()
        self.reader.read(self.request)

    def bare(self) -> Any:
        """The forward pass alone."""
        backbone = load_backbone(self.pick, [self.pick.name])
        if backbone.module is None:
            raise SystemExit(f"{self.pick.name} has no network")
        network = backbone.module.to(self.device).train(False)
        given: list[torch.Tensor] = []  # what the network itself is given: some backbones enlarge their batches first
        shown = backbone.preprocess(Image.new("RGB", (SIDE, SIDE)))[None].to(self.device)
        with network.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0])):
            backbone.tokens(shown)
        # Some networks are not read through their own forward.
        taken = given[0] if given else shown
        batches = [taken.repeat(min(self.batch, self.images - i), 1, 1, 1) for i in range(0, self.images, self.batch)]
        precision = torch.autocast(self.device, torch.bfloat16, enabled=self.pick.settings["precision"] == "bfloat16")

        def run() -> None:
            with torch.inference_mode(), precision:
                for one in batches:
                    network(one)

        return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="imagenet/vit-b-16")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--growth", help="numbers of images, separated by commas")
    parser.add_argument("--peak", action="store_true", help="print the peak memory of one extraction, in GB")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="brainbench-extraction-") as place:
        if asked.growth:
            same = ["--backbone", asked.backbone, "--batch", str(asked.batch), "--device", asked.device, "--peak"]
            counts = [int(n) for n in asked.growth.split(",")]
            found: dict[str, Any] = {
                f"peak_gb_{n}_images": float(in_a_process(__file__, *same, "--images", str(n))) for n in counts
            }
        else:
            case = Extraction(asked.backbone, asked.images, asked.batch, asked.device, Path(place))
            if asked.peak:
                case.ours()
                print(peak_gb(asked.device))
                return
            times = interleaved({"bare": case.bare(), "ours": case.ours}, asked.rounds, asked.device)
            found = {
                "ms_per_image": times["ours"]["wall_ms"] / asked.images,
                "ms_per_image_bare": times["bare"]["wall_ms"] / asked.images,
                "cpu_ms_per_image": times["ours"]["cpu_ms"] / asked.images,
                "cpu_ms_per_image_bare": times["bare"]["cpu_ms"] / asked.images,
                "throughput_of_bare": times["bare"]["wall_ms"] / times["ours"]["wall_ms"],
                "throughput_of_bare_cpu": times["bare"]["cpu_ms"] / times["ours"]["cpu_ms"],
            }
    if asked.json:
        print(json.dumps({"backbone": asked.backbone, **found, **machine()}))
    else:
        for name, value in {"backbone": asked.backbone, **found}.items():
            print(f"{name:24s} {value if isinstance(value, str) else format(value, '.4g')}")


if __name__ == "__main__":
    main()

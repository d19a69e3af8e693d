"""Make the pictures of README and docs: run the commands that the pages show, in order, and keep the pictures that they show.

python docs/make_pictures.py            about a minute
python docs/make_pictures.py --in DIR   keeps the runs there, for another time
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import tempfile
from pathlib import Path

from blocks import ROOT, Block, blocks, pages
from PIL import Image

from brainbench.util.hashing import file_sha256

PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1000  # pixels
# What made each picture, and its digest: so that a test can tell a picture from one that was made otherwise.
LEDGER = PICTURES / "made.csv"


def picture_blocks() -> list[Block]:
    """The blocks that make pictures, page by page."""
    return [block for page in pages() for block in blocks(page) if block.mark == "pictures"]


def shown() -> set[str]:
    """File names of the pictures that pages show."""
    return {
        name for page in pages() for name in re.findall(r"!\[[^\]]*\]\([^)\s]*pictures/([^)\s]+)\)", page.read_text())
    }


def makers() -> dict[str, str]:
    """Picture -> the commands that make it: the run whose results it shows, and its own."""
    found: dict[str, str] = {}
    for block in picture_blocks():
        runs: list[str] = []
        for words in block.commands:
            if words[:2] == ["brainbench", "run"]:
                runs.append(" ".join(words))
            for name in words:
                if name.endswith(".png"):
                    found[name] = " && ".join([*runs, " ".join(words)])
    return found


def make(folder: Path) -> None:
    """Run the commands in ``folder`` and copy the pictures that are shown; write the ledger."""
    environment = os.environ | {"BRAINBENCH_CACHE": str(folder / "cache")}
    for block in picture_blocks():
        for words in block.commands:
            subprocess.run(words, cwd=folder, env=environment, check=True)
    made = makers()
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    with LEDGER.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["picture", "sha256", "commands"])
        for name in sorted(shown()):
            shrink(folder / name, PICTURES / name)
            table.writerow([name, file_sha256(PICTURES / name), made[name]])


def shrink(source: Path, target: Path) -> None:
    """The same picture at the width of a page."""
    with Image.open(source) as picture:
        size = (WIDTH, round(picture.height * WIDTH / picture.width))
        picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(target, optimize=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make the pictures of README and docs.")
    parser.add_argument("--in", dest="folder", type=Path, help="where to run; a temporary folder without it")
    folder = parser.parse_args().folder
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            make(Path(temporary))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        make(folder.resolve())


if __name__ == "__main__":
    main()

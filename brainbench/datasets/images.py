"""Images: decoded once, named by their pixels, always handed on as RGB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from brainbench.datasets.ledger import Fact, Ledger, content_digest
from brainbench.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg")
_GREY = (128, 128, 128, 255)


@dataclass(frozen=True)
class Images:
    """S decoded images. paths: their files; digests: sha256 of size and RGB pixels; sizes: (width, height)."""

    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]

    def open(self, index: int) -> Image.Image:
        """One RGB image."""
        return open_rgb(self.paths[index])


def list_images(folder: Path) -> list[str]:
    """File names of the png, jpg and jpeg images in ``folder``, sorted as text; DataError if there are none."""
    names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not names:
        raise DataError(f"no images in {folder}: it must hold png, jpg or jpeg files")
    return names


def read_images(folder: Path, names: tuple[str, ...], ledger: Ledger) -> Images:
    """Decode every image once; DataError naming the first that cannot be decoded."""
    paths = tuple(folder / name for name in names)
    facts = ledger.examine("image", paths, _look)
    sizes = tuple((int(fact["width"]), int(fact["height"])) for fact in facts)
    return Images(paths, tuple(str(fact["digest"]) for fact in facts), sizes)


def _look(path: Path) -> Fact:
    image = open_rgb(path)
    digest = content_digest(f"{image.width}x{image.height}:".encode(), image.tobytes())
    return {"digest": digest, "width": image.width, "height": image.height}


def open_rgb(path: Path) -> Image.Image:
    """One image as RGB: see ``to_rgb``. DataError if it is damaged or neither png nor jpeg."""
    return to_rgb(open_image(path))


def open_image(path: Path) -> Image.Image:
    """One fully decoded image, as stored (an orientation tag is left alone, as stimulus software does)."""
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            image.load()
            return image.copy()
    except Exception as problem:  # a damaged file makes decoders raise nearly anything
        raise DataError(f"image {path} cannot be decoded as png or jpeg ({problem}): replace or remove it") from problem


def to_rgb(image: Image.Image) -> Image.Image:
    """Any image as 8-bit RGB.

    Transparency (RGBA, palette) is composited on mid grey, 128; 16-bit grey is scaled to 8 bits, 65535 -> 255; one
    channel is repeated three times.
    """
    if image.mode.startswith("I"):
        values = (np.clip(np.asarray(image), 0, 65535).astype(np.int32) + 128) // 257
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        return Image.alpha_composite(Image.new("RGBA", image.size, _GREY), image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")

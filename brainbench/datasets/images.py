"""Images: decoded once, named by their pixels, always handed on as RGB."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from brainbench.datasets.file_kinds import advice
from brainbench.datasets.ledger import Fact, Ledger, content_digest
from brainbench.datasets.near_duplicates import signature
from brainbench.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_ANIMATED = ("WEBP", "GIF", "TIFF")
_SIXTEEN_BITS = 65535
_GREY = (128, 128, 128, 255)


@dataclass(frozen=True)
class Images:
    """S decoded images.

    paths: their files; digests: sha256 of size and RGB pixels; sizes: (width, height); signatures: what ``lookalikes`` compares.
    """

    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    signatures: tuple[str, ...]

    def open(self, index: int) -> Image.Image:
        """One RGB image."""
        return open_rgb(self.paths[index])


def list_images(folder: Path) -> list[str]:
    """Names of the images in ``folder`` and the folders below it (``concept/name.png``), sorted as text.

    Raises DataError if there are none, for a name that is not UTF-8, and for two names that differ in Unicode form alone.
    """
    names = [name for name in _files(folder) if name.lower().endswith(SUFFIXES)]
    if not names:
        other = other_files(folder)
        there = f"; there is {other[0]}" if other else ""
        raise DataError(f"no images in {folder}: it must hold png, jpg or jpeg files (or webp, gif, bmp, tif){there}")
    twins = Counter(map(canonical, names))
    for name in names:
        if twins[canonical(name)] > 1:
            raise DataError(
                f"{folder} holds several files named {canonical(name)!r}, in different Unicode forms: keep one"
            )
    return sorted(names)


def other_files(folder: Path) -> list[str]:
    """Names of the files in ``folder``, and below it, that are not read as images; sorted as text."""
    return sorted(name for name in _files(folder) if not name.lower().endswith(SUFFIXES))


def canonical(name: str) -> str:
    """A file's name in Unicode's NFC, as most programs write it; macOS and its zip files write NFD."""
    return unicodedata.normalize("NFC", name)


def _unreadable(problem: OSError) -> None:
    # Without this, a folder that may not be read would count as empty.
    raise DataError(f"{problem.filename} cannot be read: {problem.strerror}") from problem


def _files(folder: Path) -> Iterator[str]:
    visited = set[str]()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        visited.add(os.path.realpath(place))
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__MACOSX")) and os.path.realpath(Path(place, name)) not in visited
        ]
        inner = Path(place).relative_to(folder)
        for name in names:
            if name.startswith("."):
                continue
            found = (inner / name).as_posix()
            try:
                found.encode()
            except UnicodeEncodeError:
                shown = os.fsencode(found).decode(errors="backslashreplace")
                raise DataError(
                    f"{folder}: the name of {shown} is not UTF-8 (it may be of an old Windows archive): rename the file"
                ) from None
            yield found


def read_images(folder: Path, names: tuple[str, ...], ledger: Ledger) -> Images:
    """Decode every image once; DataError naming the first that cannot be decoded."""
    return read_files(tuple(folder / name for name in names), ledger)


def read_files(paths: tuple[Path, ...], ledger: Ledger) -> Images:
    """``read_images`` of files that may lie in several folders."""
    facts = ledger.examine("image", paths, _look)
    sizes = tuple((int(fact["width"]), int(fact["height"])) for fact in facts)
    digests, signatures = (tuple(str(fact[key]) for fact in facts) for key in ("digest", "signature"))
    return Images(paths, digests, sizes, signatures)


def _look(path: Path) -> Fact:
    image = open_rgb(path)
    digest = content_digest(f"{image.width}x{image.height}:".encode(), image.tobytes())
    return {"digest": digest, "width": image.width, "height": image.height, "signature": signature(image)}


def open_rgb(path: Path) -> Image.Image:
    """One image as RGB: see ``to_rgb``. DataError if it is damaged or of a format that is not read."""
    image = open_image(path)
    if image.mode == "F":
        raise DataError(f"image {path} holds decimal numbers: save it with 8 or 16 bits a channel")
    pixels = np.asarray(image)
    # Pillow opens 16 and 32 bits alike.
    if image.mode == "I" and (pixels.min() < 0 or pixels.max() > _SIXTEEN_BITS):
        raise DataError(f"image {path} holds more than 16 bits a channel: save it with 8 or 16")
    return to_rgb(image)


def open_image(path: Path) -> Image.Image:
    """One fully decoded image, as stored (an orientation tag is left alone, as stimulus software does).

    Raises DataError if it cannot be decoded, and for a gif, webp or tif of several frames.
    """
    # Editing histories in a text chunk are often larger than Pillow's default allows; its limit for all chunks together stays.
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
    try:
        with Image.open(path, formats=_FORMATS) as image:
            frames = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
            if frames > 1:
                raise DataError(f"image {path} holds {frames} frames: save the one that was shown")
            image.load()
            return image.copy()
    except DataError:
        raise
    except Exception as problem:  # a damaged file makes decoders raise nearly anything
        kinds = "png or jpeg (or webp, gif, bmp, tif)"
        raise DataError(
            f"image {path} cannot be decoded as {kinds} ({problem}): {advice(path, 'replace or remove it')}"
        ) from problem


def to_rgb(image: Image.Image) -> Image.Image:
    """Any image as 8-bit RGB.

    Transparency (RGBA, palette) is composited on mid grey, 128; 16-bit grey is scaled to 8 bits, 65535 -> 255; one
    channel is repeated three times.
    """
    if image.mode.startswith("I"):
        values = (np.clip(np.asarray(image), 0, _SIXTEEN_BITS).astype(np.int32) + 128) // 257
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        return Image.alpha_composite(Image.new("RGBA", image.size, _GREY), image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")

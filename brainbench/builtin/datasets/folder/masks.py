"""Per-pixel classes: ``masks/<image stem>.png`` and ``masks/classes.csv``."""

from __future__ import annotations

from pathlib import Path

from brainbench import DataError
from brainbench.builtin.datasets.folder.layout import Layout
from brainbench.builtin.datasets.folder.stimuli import Seen
from brainbench.datasets import VOID, Ledger, MaskFiles, canonical, list_images, read_masks, read_rows


def find_masks(layout: Layout, seen: Seen, ledger: Ledger) -> MaskFiles | None:
    """Check the mask of every image, or None without ``masks/``.

    Raises DataError for a mask without an image in the ``images/`` beside it, and as ``brainbench.datasets.read_masks`` does.
    """
    folder = layout.find("masks")
    if folder is None:
        return None
    _refuse_others(folder, layout.images())
    classes = _read_classes(Layout((folder,)).find("classes.csv", "classes.tsv") or folder / "classes.csv")
    there = {_stem(str(path.relative_to(folder))): path for path in folder.rglob("*.png")}
    paths = [there.get(_stem(name), folder / f"{_stem(name)}.png") for name in seen.ids]
    return read_masks(paths, seen.images.sizes, classes, ledger)


def _refuse_others(folder: Path, images: Path) -> None:
    if folder.parent != images.parent:  # everybody's masks, one subject's images
        return
    stems = set(map(_stem, list_images(images)))
    there = sorted(path for path in folder.rglob("*.png") if not path.name.startswith("."))
    others = [path for path in there if _stem(str(path.relative_to(folder))) not in stems]
    if others:
        raise DataError(
            f"mask {others[0]} is of no image in {images} ({len(others)} of {len(there)} masks are): add the image or "
            "remove the mask"
        )


def _stem(name: str) -> str:
    """``concept/picture.jpg`` -> ``concept/picture``."""
    return canonical(Path(name).with_suffix("").as_posix())


def _read_classes(path: Path) -> tuple[str, ...]:
    names: dict[int, str] = {}
    if not path.is_file():
        raise DataError(f"no {path}: it must name the classes (columns value, name), 0 the background")
    for row in read_rows(path, ("value", "name")):
        value = row.number("value")
        if value in names:
            raise DataError(f"{row.where}: value {value} is named twice, {names[value]!r} and {row['name']!r}")
        names[value] = row["name"]
    if sorted(names) != list(range(len(names))) or not names:
        raise DataError(
            f"{path}: values {sorted(names)}, expected 0, 1, 2 ... without gaps ({VOID}, no class, is not named)"
        )
    return tuple(names[value] for value in sorted(names))

"""What a dataset's card says of its files: those on disk, and those that can be downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """A file, or a group of files, of a dataset on disk."""

    subject: str
    """The subject it belongs to. Empty: shared by all subjects."""
    what: str
    """What it is in words, e.g. ``left hemisphere responses``."""
    place: Path
    """The path where it is, or should be."""
    there: bool
    """Whether it exists."""
    needed: bool = True
    """Whether a run requires it."""
    size: int = 0
    """Size in bytes."""
    source: str = ""
    """Where to get it."""
    detail: str = ""
    """What it contains in a few words, e.g. ``9,841 x 19,004 float32``."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a dataset that anybody may download."""

    path: str
    """Its place below the dataset's folder, e.g. ``images/images_190923.zip``."""
    url: str
    """The address of just this content, such as that of a file in a commit."""
    sha256: str
    """sha256 of the file, 64 hexadecimal digits."""
    size: int
    """Size in bytes."""

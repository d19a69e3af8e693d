"""Records on disk. Imports no array library, so that code that only reads records starts quickly.

``<key>.json`` is written last and atomically, so it marks a finished job. ``artifacts`` handles the other files of a
record.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from brainbench.errors import StoreError
from brainbench.records import Record
from brainbench.util.files import write_atomically
from brainbench.util.hashing import digest

_RECORD = TypeAdapter(Record)


def write_record(folder: Path, record: Record) -> Path:
    """Write ``<key>.json`` atomically."""
    path = folder / f"{record.key}.json"
    text = json.dumps(record.to_json(), indent=1, allow_nan=False)
    write_atomically(path, (text + "\n").encode())
    return path


def read_record(path: Path) -> Record:
    """Read one record. Raises StoreError, naming the file, if it is damaged or has another schema."""
    try:
        return _RECORD.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"{path}: not a readable record ({reason}); delete it and run the same command again"
        ) from None


def read_records(folder: Path) -> list[Record]:
    """Return all records of a folder, sorted by key. Raises StoreError on the first damaged one."""
    return [read_record(path) for path in sorted(folder.glob("*.json"))]


def read_digests(path: Path) -> tuple[str | None, str]:
    """Return (the digest in a record, None in an earlier version; the digest of its content)."""
    content = json.loads(path.read_bytes())
    return content.pop("digest", None), digest(content)


def supersede(folder: Path, keys: Collection[str]) -> list[Record]:
    """Move records that one of ``keys`` replaces (same cell, another key: code or versions changed) to ``superseded/``."""
    records = read_records(folder)
    current = {record.cell for record in records if record.key in keys}
    replaced = [record for record in records if record.key not in keys and record.cell in current]
    for record in replaced:
        (folder / "superseded").mkdir(exist_ok=True)
        for path in folder.glob(f"{record.key}.*"):
            shutil.rmtree(folder / "superseded" / path.name, ignore_errors=True)
            path.replace(folder / "superseded" / path.name)
    return replaced


def no_records(folder: Path, dataset: str | None = None) -> StoreError:
    """Return the error for a results folder without records (of one dataset, or of any)."""
    what = f"no records of {dataset}" if dataset else "no records"
    return StoreError(f"{folder}: {what}; make some with `brainbench run --results {folder}`")

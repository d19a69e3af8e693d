"""Records on disk. Imports no array library, so that code that only reads records starts quickly.

``<key>.json`` is written last and atomically, so it marks a finished job. ``artifacts`` handles the other files of a
record.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Collection
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from brainbench.errors import StoreError
from brainbench.records import Record
from brainbench.util.files import remove, write_atomically
from brainbench.util.hashing import digest

_RECORD = TypeAdapter(Record)
_KEY = re.compile("[0-9a-f]{64}")
# More than any name of a hub or a path of a folder.
_LONGEST = 1000

log = logging.getLogger(__name__)


def write_record(folder: Path, record: Record) -> Path:
    """Write ``<key>.json`` atomically."""
    path = folder / f"{record.key}.json"
    text = json.dumps(record.to_json(), indent=1, allow_nan=False)
    write_atomically(path, (text + "\n").encode())
    return path


def read_record(path: Path) -> Record:
    """Read one record. Raises StoreError, naming the file, if it is damaged or has another schema."""
    try:
        record = _RECORD.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"{path}: not a readable record ({reason}); delete it and run the same command again"
        ) from None
    _check(record, path)
    return record


def _check(record: Record, path: Path) -> None:
    """Raise StoreError for a record that somebody else could have written to reach files that are not its own."""
    if not _KEY.fullmatch(record.key) or path.stem != record.key:
        raise StoreError(
            f"{path}: not a readable record (its key {record.key!r:.80} must be 64 hexadecimal digits and the file's name); "
            "give the file its own name back, or delete it"
        )
    encoder = record.encoder.name if record.encoder else "none"
    facts = record.dataset
    for name in (facts.name, facts.title, facts.subject, record.backbone.name, encoder, *record.metrics):
        if not name or len(name) > _LONGEST or any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
            raise StoreError(
                f"{path}: not a readable record (the name {name!r:.80} must have 1 to {_LONGEST} characters without control "
                "characters); delete it"
            )


def read_records(folder: Path) -> list[Record]:
    """Return all records of a folder, sorted by key. A file that is not a readable record is logged and left out."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_record(path))
        except StoreError as error:
            _log_once(str(error))
    return found


@cache
def _log_once(message: str) -> None:
    log.warning("left out: %s", message)


def reinstate(folder: Path, key: str) -> bool:
    """Move a record that was superseded back into its folder, if it is there; return whether it was."""
    source = folder / "superseded"
    if not (source / f"{key}.json").is_file():
        return False
    # The record comes last: where it is, what belongs to it is too.
    for path in sorted(source.glob(f"{key}.*"), key=lambda path: path.suffix == ".json"):
        remove(folder / path.name)
        path.replace(folder / path.name)
    return True


def read_digests(path: Path) -> tuple[str | None, str]:
    """Return (the digest in a record, None in an earlier version; the digest of its content)."""
    content = json.loads(path.read_bytes())
    return content.pop("digest", None), digest(content)


def supersede(folder: Path, keys: Collection[str]) -> list[Record]:
    """Move records that one of ``keys`` replaces (same cell, another key: code or versions changed) to ``superseded/``.

    A job that failed replaces only jobs that failed.
    """
    records = read_records(folder)
    new = [record for record in records if record.key in keys]
    current = {(record.cell, status) for record in new for status in {record.status, "failed"}}
    replaced = [record for record in records if record.key not in keys and (record.cell, record.status) in current]
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

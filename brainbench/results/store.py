"""Records on disk. Imports no array library, so that code that only reads records starts quickly.

``<key>.json`` is written last and atomically, so it marks a finished job. ``artifacts`` handles the other files of a
record.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import shutil
from collections.abc import Collection
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from brainbench.errors import StoreError
from brainbench.records import LARGEST, Record
from brainbench.util.files import remove, write_atomically
from brainbench.util.hashing import digest
from brainbench.util.texts import misnamed

_RECORD = TypeAdapter(Record)
_KEY = re.compile("[0-9a-f]{64}")
# Draws of a score, as ``metrics.bootstrap`` packs them; that module imports numpy.
_DRAWS = 1000
# The upper byte of a number in half precision -> whether all bits of its exponent are set.
_EXPONENT = bytes((upper & 0x7C) == 0x7C for upper in range(256))

log = logging.getLogger(__name__)


def write_record(folder: Path, record: Record) -> Path:
    """Write ``<key>.json`` atomically."""
    path = folder / f"{record.key}.json"
    text = json.dumps(record.to_json(), indent=1, allow_nan=False)
    write_atomically(path, (text + "\n").encode())
    return path


def read_record(path: Path, *, changed: bool = False) -> Record:
    """Read one record. Raises StoreError, naming the file, if it is damaged or has another schema.

    changed: read also a record that was changed after it was written, whose digest does not match (``--verify`` says so).
    """
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        stated = content.pop("digest", None)
        record = _RECORD.validate_python(content)
        wrong = _wrong(record, path)
        if not (wrong or changed) and stated not in (None, digest(content)):
            wrong = "its content does not match its digest: it was changed or damaged after it was written"
    # A list of a hundred thousand brackets, for one, ends in RecursionError.
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        wrong = str(error).splitlines()[0] if str(error) else type(error).__name__
    if wrong:
        # Under another name it may be a file of the user's own.
        cure = "delete it and run the same command again" if _KEY.fullmatch(path.stem) else "move it elsewhere"
        raise StoreError(f"{path}: not a readable record ({wrong}); {cure}")
    return record


def _wrong(record: Record, path: Path) -> str | None:
    """Say what would let a record reach files that are not its own, break a table, or end a board; None if nothing would."""
    if not _KEY.fullmatch(record.key) or path.stem != record.key:
        return f"its key {record.key!r:.80} must be 64 hexadecimal digits and the file's name"
    facts, encoder = record.dataset, [record.encoder.name] if record.encoder else []
    for name in (facts.name, facts.title, facts.subject, record.backbone.name, *encoder, *record.metrics):
        if wrong := misnamed(name):
            return f"the name {name!r:.80}: {wrong}"
    figures = {("noise ceiling", name): value for name, value in facts.noise_ceiling.items()}
    figures |= {(metric, name): v for metric, result in record.metrics.items() for name, v in result.values.items()}
    for (what, name), value in figures.items():
        # Not a NaN either.
        if not abs(value) <= LARGEST:
            return f"{what}: {name:.80} is {value:g}, allowed are numbers up to {LARGEST:g}"
    for metric, result in record.metrics.items():
        for name, text in result.draws.items():
            if name not in result.values or not _drawn(text):
                return f"{metric}: the draws of {name:.80} are not {_DRAWS} finite numbers beside a score"
    return None


def _drawn(text: str) -> bool:
    """Whether a text holds the draws of a score, in half precision: two bytes each, no infinity and no NaN among them."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return len(content) == 2 * _DRAWS and True not in content[1::2].translate(_EXPONENT)


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

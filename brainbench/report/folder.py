"""A report on disk. It lists its files, and only files that an earlier report listed are ever replaced or removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from brainbench.errors import StoreError, UsageError
from brainbench.report.pages import render
from brainbench.results.store import read_records
from brainbench.util.files import write_atomically

LISTED = "report.json"
_INDEX = Path("index.html")
_SCHEMA = 1


def write_report(results: Path, out: Path, dataset: str | None = None) -> Path:
    """Write the report of a results folder (of one dataset, or of all) to the folder ``out``. Returns its index.html.

    Raises UsageError if ``out`` contains files that are not a report, StoreError if there are no records, one is damaged,
    or the folder cannot be written.
    """
    earlier = _earlier(out)
    records = [r for r in read_records(results) if dataset in (None, r.dataset.name)]
    if not records:
        what = f"no records of {dataset}" if dataset else "no records"
        raise StoreError(f"{results}: {what}; make some with `brainbench run --results {results}`")
    files = render(records, results)
    try:
        _write(out, files, earlier)
    except OSError as problem:
        raise StoreError(f"cannot write {out} ({problem.strerror}): choose another folder with --out") from problem
    return out / _INDEX


def _earlier(out: Path) -> set[Path]:
    """Return the files of an earlier report in this folder. Raises UsageError if it contains anything but a report."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return set()
    if not out.is_dir() or not (out / LISTED).is_file():
        raise UsageError(f"--out {out}: contains files that are not a report; choose a new or an empty folder")
    try:
        names = json.loads((out / LISTED).read_bytes())["files"]
        files = {Path(PurePosixPath(name)) for name in names}
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{out / LISTED}: does not list the files of a report; choose another folder with --out"
        ) from None
    # Never remove anything outside the folder, whatever the list says.
    if any(path.is_absolute() or ".." in path.parts for path in files):
        raise UsageError(f"{out / LISTED}: lists files outside the report; choose another folder with --out")
    return files


def _write(out: Path, files: Mapping[Path, bytes], earlier: set[Path]) -> None:
    """Write every file atomically, the index last, so that its links exist. A killed run leaves nothing unlisted."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / LISTED, _listed({*files, *earlier}))
    for path in sorted(files, key=lambda path: (path == _INDEX, path)):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out / path, files[path])
    for path in sorted(earlier - {*files}):
        (out / path).unlink(missing_ok=True)
    write_atomically(out / LISTED, _listed(set(files)))


def _listed(files: set[Path]) -> bytes:
    names = sorted(path.as_posix() for path in files)
    return (json.dumps({"schema": _SCHEMA, "files": names}, indent=1) + "\n").encode()

"""Files that a dataset's authors published: downloaded, resumed where a download broke off, compared with their sha256."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from brainbench.errors import DataError, StoreError
from brainbench.parts import RemoteFile
from brainbench.util.files import locked, storage
from brainbench.util.hashing import file_sha256
from brainbench.util.progress import Reporter

_BLOCK = 2**20
_TIMEOUT_S = 60.0


def fetched_folder(name: str, cache: Path) -> Path:
    """The folder in the cache for the downloaded files of the dataset ``name``."""
    return cache / "data" / name


def fetched(name: str, files: Sequence[RemoteFile], data: Path | None, cache: Path) -> Path:
    """Return the folder that holds a dataset's downloads: ``data``, or the one that ``brainbench data fetch`` fills.

    Raises DataError for a file that is missing or of another size. Contents were compared when they were downloaded.
    """
    folder = data or fetched_folder(name, cache)
    for file in files:
        path = folder / file.path
        if not path.is_file():
            raise DataError(
                f"{name}: {path} is missing; `brainbench data fetch {name}` brings it, or --data names the folder with it"
            )
        if path.stat().st_size != file.size:
            raise DataError(
                f"{name}: {path} has {path.stat().st_size:,} bytes, not {file.size:,}; delete it and "
                f"`brainbench data fetch {name}`"
            )
    return folder


def fetch(files: Sequence[RemoteFile], folder: Path, report: Reporter, mirror: str = "") -> list[Path]:
    """Download what is missing from ``folder`` or has another content; return the paths of all files.

    A file appears under its name once its sha256 is right. What a broken download left, ``<name>.part``, is where the next one
    goes on. mirror: an address below which the files have the same places, instead of their own addresses.

    Raises DataError if a file cannot be had, is cut off or is another one, and StoreError if there is no room for it.
    """
    with storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".fetch.lock"):
            missing = [file for file in files if not _right(folder / file.path, file)]
            _refuse_full(folder, missing)
            with report.task("download") as advance:
                total, done = sum(file.size for file in missing), 0
                for file in missing:
                    url = f"{mirror.rstrip('/')}/{file.path}" if mirror else file.url
                    target = folder / file.path
                    for there in _download(file, url, target):
                        advance(done + there, total, file.path)
                    done += file.size
    return [folder / file.path for file in files]


def _right(path: Path, file: RemoteFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and file_sha256(path) == file.sha256


def _refuse_full(folder: Path, missing: Sequence[RemoteFile]) -> None:
    parts = [part.stat().st_size for file in missing if (part := _part(folder / file.path)).is_file()]
    needed, free = sum(file.size for file in missing) - sum(parts), shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"{folder} has {free / 1e9:.2f} GB left, the download takes {needed / 1e9:.2f} GB: free space there, or name "
            "another folder with --to"
        )


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _download(file: RemoteFile, url: str, target: Path) -> Iterator[int]:
    """Bring one file to ``target``; yield the number of bytes that are there, now and then."""
    part = _part(target)
    part.parent.mkdir(parents=True, exist_ok=True)
    start = part.stat().st_size if part.is_file() else 0
    if start > file.size:
        part.unlink()
        start = 0
    if start < file.size:
        yield from _transfer(file, url, target, start)
    there = part.stat().st_size
    if there < file.size:
        raise DataError(
            f"{url} broke off after {there:,} of {file.size:,} bytes: run the same command again, it goes on from there"
        )
    if there > file.size or file_sha256(part) != file.sha256:
        part.unlink()
        raise DataError(
            f"{url} gives another file than the one that was published ({there:,} bytes, sha256 not {file.sha256[:12]}...): "
            f"it was deleted; {_elsewhere(target)}"
        )
    part.replace(target)


def _transfer(file: RemoteFile, url: str, target: Path, start: int) -> Iterator[int]:
    try:
        with urlopen(Request(url, headers={"Range": f"bytes={start}-"}), timeout=_TIMEOUT_S) as answer:
            # A server may not know about ranges; then it sends the whole file.
            goes_on = start > 0 and answer.status == HTTPStatus.PARTIAL_CONTENT
            with _part(target).open("ab" if goes_on else "wb") as out:
                # More than the file has would be another one.
                while out.tell() <= file.size and (block := answer.read(_BLOCK)):
                    out.write(block)
                    yield out.tell()
    except HTTPError as error:
        raise DataError(f"{url} answers {error.code} {error.reason}; {_elsewhere(target)}") from None
    # What arrived before the connection broke is in the part; a full disk is another matter.
    except IncompleteRead:
        return
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise DataError(
            f"{url} cannot be reached ({reason}); run the same command again, or {_elsewhere(target)}"
        ) from None


def _elsewhere(target: Path) -> str:
    return f"get the file elsewhere and put it at {target}, or name a copy of the site with --mirror"

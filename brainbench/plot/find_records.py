"""The records that a picture shows, by names as on the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from brainbench.errors import UsageError, did_you_mean
from brainbench.plot.subject_mean import together
from brainbench.plot.voxels import Voxels, from_record
from brainbench.records import Record
from brainbench.results.store import read_records


def chosen_voxels(
    results: Path,
    backbone: str,
    *,
    dataset: str | None = None,
    encoder: str = "factortopy",
    subject: str | None = None,
    seed: int = 0,
    sheets: Path | None = None,
) -> Voxels:
    """Return the voxels of one subject, or of all subjects together, of a backbone in a results folder.

    dataset: optional if the folder has only one; sheets: as in ``Voxels``. Raises UsageError, listing what exists, if no
    row of the leaderboard or more than one matches.
    """
    found = read_records(results) if results.is_dir() else []
    records = [record for record in found if record.status == "done" and record.encoder is not None]
    if not records:
        raise UsageError(f"{results}: no fitted records; make some with `brainbench run --results {results}`")
    records = _only(records, "--dataset", dataset, [r.dataset.name for r in records], results)
    records = _only(records, "NAME", backbone, [r.backbone.name for r in records], results)
    records = _only(records, "--encoder", encoder, [r.encoder.name if r.encoder else "" for r in records], results)
    records = _only(records, "--seed", str(seed), [str(r.seed) for r in records], results)
    if subject is not None:
        records = _only(records, "--subject", subject, [r.dataset.subject for r in records], results)
    records.sort(key=lambda record: record.dataset.subject)
    names = [record.dataset.subject for record in records]
    if len(set(names)) < len(names):
        raise UsageError(
            f"{results} holds more than one row of {backbone} x {encoder} (other settings, weights or data versions); keep "
            "one in a results folder of its own"
        )
    who = f"subject {names[0]}" if len(names) == 1 else f"{len(names)} subjects"
    pooled = together([from_record(record, results) for record in records], f"{backbone}, {encoder}, {who}")
    return replace(pooled, sheets=sheets)


def chosen_names(results: Path, text: str) -> list[str]:
    """Return the backbones of fitted records that a comma list of names and globs selects. A name without a match is kept."""
    found = read_records(results) if results.is_dir() else []
    there = sorted({record.backbone.name for record in found if record.encoder is not None})
    names: dict[str, None] = {}
    for part in (part.strip() for part in text.split(",")):
        names |= dict.fromkeys([name for name in there if fnmatchcase(name, part)] or [part])
    return list(names)


def _only(
    records: Sequence[Record], option: str, wanted: str | None, found: Sequence[str], results: Path
) -> list[Record]:
    there = sorted(set(found))
    if wanted is None:
        if len(there) > 1:
            raise UsageError(f"{results} is about {', '.join(there)}: choose one with {option}")
        return list(records)
    if wanted not in there:
        raise UsageError(
            f"{option} {wanted}: not in {results}{did_you_mean(wanted, there)}; there are: {', '.join(there)}"
        )
    return [record for record, name in zip(records, found, strict=True) if name == wanted]

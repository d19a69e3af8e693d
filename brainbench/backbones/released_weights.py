"""Released weights: in a Python package, in the cache of their library or downloaded to it; compared with their sha256."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from brainbench.backbones.packaged_weights import is_shipped, shipped_place, shipped_remedy
from brainbench.cards import BackboneCard
from brainbench.errors import WeightsError
from brainbench.types import Weights
from brainbench.util.hashing import file_sha256

_INDEX = ".safetensors.index.json"
# A network that is built from this file cannot be had without it, trained or not.
_CONFIG = "config.json"


def obtained(card: BackboneCard, weights: Weights) -> Weights:
    """Return the weights with the path of the release, downloaded if it is not cached.

    Raises WeightsError if the weights are missing and cannot be downloaded, or if their sha256 differs. The message names
    the expected path and the command that fetches them.
    """
    if weights.kind != "release" or not fetchable(card):
        return weights
    path = cached(card) or _fetched(card)
    verify(card, path)
    return Weights("release", path)


def fetchable(card: BackboneCard) -> bool:
    """Whether brainbench itself downloads the released weights of this card."""
    return card.released and (is_shipped(card.source) or _is_url(card) or bool(card.source and card.files))


def cached(card: BackboneCard) -> Path | None:
    """Return the released weights in their cache: a file, or the folder of a snapshot. None if they are incomplete."""
    if is_shipped(card.source) or _is_url(card):
        path = _file_place(card)
        return path if path.is_file() else None
    if card.snapshot:
        return _cached_snapshot(card)
    from huggingface_hub import try_to_load_from_cache

    for file in card.files:
        found = try_to_load_from_cache(card.source or "", file, revision=card.revision)
        if isinstance(found, str):
            return Path(found)
    return None


def place(card: BackboneCard) -> str:
    """Return the place of the released weights, for messages."""
    if is_shipped(card.source) or _is_url(card):
        return str(_file_place(card))
    from huggingface_hub import constants

    return f"huggingface.co/{card.source} in {constants.HF_HUB_CACHE}"


def verify(card: BackboneCard, path: Path) -> None:
    """Raise WeightsError unless the file's sha256 is, or begins with, the one on the card (where it gives one)."""
    expected = card.sha256
    if path.is_file() and expected and not file_sha256(path).startswith(expected):
        remedy = f"delete it, and `brainbench weights fetch {card.name}`"
        if is_shipped(card.source):
            remedy = shipped_remedy(card.source or "")
        raise WeightsError(
            f"{card.name}: {path} is damaged or a different file: its sha256 does not begin with {expected}; {remedy}"
        )


def _fetched(card: BackboneCard) -> Path:
    if is_shipped(card.source):
        remedy = shipped_remedy(card.source or "")
        raise WeightsError(
            f"{card.name}: its weights, {place(card)}, are missing; {remedy}, or ask for {card.name}@untrained"
        )
    try:
        return _from_url(card) if _is_url(card) else _from_hub(card)
    # Which HTTP library raises depends on the version of huggingface_hub.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        command = f"put {card.source} there" if _is_url(card) else f"run `brainbench weights fetch {card.name}`"
        untrained = "" if _CONFIG in card.files else f", or ask for {card.name}@untrained"
        raise WeightsError(
            f"{card.name}: the weights ({place(card)}) are missing and could not be downloaded ({reason}); {command} with"
            f" a network, or give --weights {card.name}={'FOLDER' if card.snapshot else 'FILE'}{untrained}"
        ) from None


def _is_url(card: BackboneCard) -> bool:
    return (card.source or "").startswith("https://")


def _file_place(card: BackboneCard) -> Path:
    return shipped_place(card.source or "") if is_shipped(card.source) else _url_place(card)


def _url_place(card: BackboneCard) -> Path:
    """Return torch.hub's folder for checkpoints, without importing torch."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints" / (card.source or "").rpartition("/")[2]


def _from_url(card: BackboneCard) -> Path:
    import torch

    path = _url_place(card)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(card.source or "", str(path), progress=False)
    return path


def _from_hub(card: BackboneCard) -> Path:
    from huggingface_hub import file_exists, hf_hub_download, snapshot_download

    source = card.source or ""
    if card.snapshot:
        # In the hub's patterns a star stands for slashes too.
        below = None if any("/" in pattern for pattern in card.files) else ["*/*"]
        wanted = list(card.files)
        folder = Path(snapshot_download(source, revision=card.revision, allow_patterns=wanted, ignore_patterns=below))
        if not _complete(folder, card.files):
            raise FileNotFoundError(f"{folder} lacks some of {', '.join(card.files)}")
        return folder
    file = next(file for file in card.files if file_exists(source, file, revision=card.revision))
    return Path(hf_hub_download(source, file, revision=card.revision))


def _cached_snapshot(card: BackboneCard) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(card.source or "", revision=card.revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if _complete(folder, card.files) else None


def _complete(folder: Path, patterns: Sequence[str]) -> bool:
    """An interrupted download leaves a folder with some of the files, or with some of the shards that an index names."""
    indexes = [index for pattern in patterns for index in folder.glob(pattern) if index.name.endswith(_INDEX)]
    shards = [index.parent / shard for index in indexes for shard in _shards(index)]
    return all(any(folder.glob(pattern)) for pattern in patterns) and all(shard.is_file() for shard in shards)


def _shards(index: Path) -> set[str]:
    """The files that an index of safetensors names; of a damaged one none: the loader says what is wrong with it."""
    try:
        return set(map(str, json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return set()

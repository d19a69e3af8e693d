"""The files of a network in the layout of the hub: which exist, and what the configuration says. Light."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from brainbench import WeightsError

CONFIG = "config.json"
_PATIENCE = 5  # seconds for the hub to answer
PREPROCESSOR = "preprocessor_config.json"
_SINGLE = ("model.safetensors", "pytorch_model.bin")
_INDEX = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


def weight_files(path: Path) -> list[Path]:
    """Return the files with the weights below a folder, or the file itself; empty if there are none.

    Safetensors come before torch files; all shards if there are several. Raises WeightsError for an index that names a
    missing file.
    """
    if path.is_file():
        return [path]
    for single, index in zip(_SINGLE, _INDEX, strict=True):
        if (path / single).is_file():
            return [path / single]
        if (path / index).is_file():
            return _shards(path / index)
    return []


def _shards(index: Path) -> list[Path]:
    shards = read_json(index).get("weight_map")
    names = sorted({str(shard) for shard in shards.values()}) if isinstance(shards, dict) else []
    if not names:
        raise WeightsError(f"{index}: has no weight_map; download the folder again")
    for name in names:
        # A name with a path in it would read outside of the folder.
        if Path(name).name != name or not (index.parent / name).is_file():
            raise WeightsError(f"{index}: names {name}, which is no file beside it; download the folder again")
    return [index.parent / name for name in names]


def cached_config(repository: str) -> Path | None:
    """Return the ``config.json`` of a repository of the hub: from the cache, else downloaded; None if it cannot be had.

    Its folder is the snapshot, which is named after the commit. What is cached stays, wherever ``main`` is by now. A hub that
    does not answer is asked once, for a few seconds at most: plans are made where there is no network, too.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    found = try_to_load_from_cache(repository, CONFIG)
    if isinstance(found, str):
        return Path(found)
    try:
        # Unlike a download, this is not tried again and again, with a line for each.
        get_hf_file_metadata(hf_hub_url(repository, CONFIG), timeout=_PATIENCE)
        return Path(hf_hub_download(repository, CONFIG))
    # Which HTTP library raises depends on the version of huggingface_hub.
    except Exception:
        return None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises WeightsError for anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}); expected the JSON that transformers writes") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: holds {type(content).__name__}, expected an object; download the file again")
    return content

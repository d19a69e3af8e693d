"""``hf/<hub id>`` or ``hf/<folder>`` -> its card. Of a repository only its configuration is fetched; a folder's files are hashed.

The network is built without weights, on torch's meta device, to be counted and measured, or refused before anything runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from brainbench import BackboneCard, UsageError, file_sha256, lazy
from brainbench_hf.files import CONFIG, PREPROCESSOR, cached_config, weight_files

# Each has to match a file. Only safetensors are fetched, with the index of shards: the hub marks them, and nothing can run in
# them. The preprocessor is fetched where there is one; preproc=paper does without.
FILES = (CONFIG, f"*{CONFIG}", "*.safetensors*")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def card(*, name: str) -> BackboneCard:
    """Return the card of a repository on the hub or, after ``/``, ``./``, ``../`` or ``~``, of a folder in its layout.

    A folder's weights are named ``local:<sha8>`` after the content of its files, a repository's ``hub:<commit8>``. Raises
    UsageError for any other name and for a network that cannot be read, and WeightsError for a folder with missing files.
    """
    where = name.removeprefix("hf/")
    if where.startswith(("/", "./", "../", "~")) or where in (".", ".."):
        return _of_folder(name, where)
    if not _HUB_ID.fullmatch(where) or ".." in where:
        raise UsageError(
            f"{name}: expected hf/OWNER/NAME as on huggingface.co, e.g. hf/facebook/dinov2-base, or a folder: hf//absolute or"
            " hf/./relative"
        )
    config = cached_config(where)
    commit = config.parent.name if config else None
    return BackboneCard(
        name=name,
        loader=partial(lazy("brainbench_hf.model:load"), name=name, where=where),
        summary=f"{where} of the Hugging Face hub" + ("" if config else f" (its {CONFIG} cannot be had now)"),
        libraries=("transformers",),
        weights=f"hub:{commit[:8]}" if commit else "hub",
        source=where,
        files=FILES,
        snapshot=True,
        revision=commit,
        **(_measured(name, config.parent) if config else {}),
    )


def _of_folder(name: str, where: str) -> BackboneCard:
    folder = Path(where).expanduser()
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{name}: no {CONFIG} in {folder}; name a folder as save_pretrained of transformers writes it")
    weights = weight_files(folder)
    described = [path for path in (folder / CONFIG, folder / PREPROCESSOR) if path.is_file()]
    return BackboneCard(
        name=name,
        loader=partial(lazy("brainbench_hf.model:load"), name=name, where=where),
        summary="a folder in the layout of transformers",
        libraries=("transformers",),
        weights=f"local:{_digest([*described, *weights])[:8]}" if weights else "untrained",
        # Another configuration is another network, weights or not.
        version=_digest(described),
        **_measured(name, folder),
    )


def _measured(name: str, folder: Path) -> Mapping[str, Any]:
    from brainbench_hf.measures import measures

    return measures(name, folder)


def _digest(paths: list[Path]) -> str:
    """sha256 over names and contents."""
    return hashlib.sha256("\n".join(f"{path.name} {file_sha256(path)}" for path in paths).encode()).hexdigest()

"""The work behind ``brainbench weights``: fetch and verify released weights, convert a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from brainbench.backbones import released_weights
from brainbench.backbones.checkpoints import load_state
from brainbench.cards import BackboneCard
from brainbench.errors import BrainbenchError, StoreError, UsageError, WeightsError
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.keys import folder_digest
from brainbench.planning.picks import BackbonePick
from brainbench.planning.settings import Assignments
from brainbench.plugins import describe
from brainbench.registry import Registry, names_a_path
from brainbench.runner import load_backbone
from brainbench.types import Weights
from brainbench.util.files import drafted
from brainbench.util.hashing import file_sha256


@dataclass(frozen=True)
class WeightsOnDisk:
    """The weights of one backbone on this machine.

    sha256: of the file, or over all files of a folder; problem: why they are unusable.
    """

    name: str
    weights: str
    path: str
    mb: float
    sha256: str
    licence: str | None
    problem: str = ""


def fetch(names: str, registry: Registry) -> Iterator[WeightsOnDisk]:
    """Download the released weights of these backbones to their library's cache, unless they are there already.

    Raises UsageError if none of the names has weights that brainbench downloads.
    """
    cards = [card for card in _cards(names, registry) if released_weights.fetchable(card)]
    if not cards:
        raise UsageError(
            f"{names}: no weights to fetch; `brainbench list backbones --json` says where each card's come from"
        )
    for card in cards:
        try:
            path = released_weights.obtained(card, Weights("release")).path
        except WeightsError as error:
            yield _problem(card, "", str(error))
            continue
        yield _held(card, path) if path else _problem(card, "", "managed by the plugin")


def verify(names: str, weights: Sequence[str], registry: Registry) -> Iterator[WeightsOnDisk]:
    """Compare the sha256 of cached weights, or of ``NAME=FILE``, and load them strictly into their network.

    Downloads nothing.
    """
    chosen = pick_backbones(
        names, registry, Assignments(()), simulated=False, weights=weights, controls=False, device="cpu"
    )
    for pick in [network for one in chosen for network in one.networks]:
        card, path = pick.card, pick.weights.path
        if pick.weights.kind == "release" and released_weights.fetchable(card):
            path = released_weights.cached(card)
            if path is None:
                yield _problem(card, "", f"not cached; `brainbench weights fetch {card.name}` fetches it")
                continue
        elif pick.weights.kind == "release" and names_a_path(card.name):
            path = Path(card.name.partition("/")[2]).expanduser()
        elif pick.weights.kind == "release":
            yield _problem(card, "", "its plugin finds the release itself; a run tells whether it is there")
            continue
        if path is None:
            yield _problem(card, "", "has no released weights")
            continue
        try:
            load_backbone(pick, [card.name])
        except BrainbenchError as error:
            yield replace(_held(card, path, pick), problem=" ".join(str(error).split()))
        except Exception as error:  # a plugin may raise anything
            yield replace(_held(card, path, pick), problem=" ".join(describe(error).split()))
        else:
            yield _held(card, path, pick)


def convert(source: Path, target: Path) -> int:
    """Write the tensors of a checkpoint as safetensors. Returns their number. Raises WeightsError, UsageError, StoreError."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    if target.suffix != ".safetensors":
        raise UsageError(f"{target}: the new file is a safetensors file; its name must end in .safetensors")
    if target.exists():
        raise StoreError(f"{target}: exists already; delete it, or choose another name")
    # Tensors that share memory, as tied weights do, are stored one by one.
    state = {name: value.clone().contiguous() for name, value in load_state(source).items()}
    try:
        with drafted(target) as draft:
            save_file(state, draft)
            # safetensors writes for the owner's eyes alone, whatever the umask.
            draft.chmod(0o666 & ~_umask())
    # safetensors has an exception of its own for what the disk refuses.
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{target}: cannot be written ({describe(error)}); choose another folder") from None
    return len(state)


def _cards(names: str, registry: Registry) -> list[BackboneCard]:
    return [entry.card for entry in registry.backbones.select(names)]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _held(card: BackboneCard, path: Path, pick: BackbonePick | None = None) -> WeightsOnDisk:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    digest = file_sha256(path) if path.is_file() else folder_digest(path)
    size = round(sum(p.stat().st_size for p in files) / 1e6, 1)
    label, licence = (pick.label, pick.licence) if pick else (card.weights, card.licence)
    return WeightsOnDisk(card.name, label, str(path), size, digest, licence)


def _problem(card: BackboneCard, path: str, what: str) -> WeightsOnDisk:
    return WeightsOnDisk(card.name, card.weights, path, 0.0, "", card.licence, problem=" ".join(what.split()))

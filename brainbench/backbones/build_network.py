"""A network of a family: as its library initialises it, or with the weights of a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from brainbench.backbones.checkpoints import load_state, load_strict
from brainbench.backbones.module_backbone import seeded
from brainbench.types import Weights


def build_network(
    build: Callable[[], nn.Module],
    weights: Weights,
    seed: int,
    *,
    name: str,
    convert: Callable[[dict[str, Tensor]], Mapping[str, Tensor]] = lambda state: state,
    drop: Collection[str] = (),
    inside: str = "",
) -> Any:
    """Return the network that ``build`` makes, in eval mode and without gradients.

    Without a file (``weights.path`` is None) it is as its library initialises it from ``seed``. Otherwise it takes the weights in
    the file, strictly, and nothing is initialised first: ``build`` runs on torch's meta device wherever that can be.

    convert: (state dict as it is in the file) -> the same with the names and shapes of the network. inside: path of the network
    in that state dict, such as ``visual``. drop: names there, as for ``load_strict``, that belong to parts the network does not
    have. name: the backbone, for messages. Raises WeightsError for a file that cannot be read or does not fit.
    """
    if weights.path is None:
        network = _initialised(build, seed)
    else:
        state = convert(load_state(weights.path))
        network = _empty(build) or _initialised(build, seed)
        load_strict(_under(inside, network), state, drop=drop, what=f"{name} ({weights.path})")
    # Not in one chain: some libraries' eval() gives nothing back.
    network.eval()
    return network.requires_grad_(False)


def numbered_layers(network: nn.Module, path: str) -> dict[str, str]:
    """Return layer1, layer2 ... -> path of a submodule: ``path`` with 0, 1 ... in place of ``{}``, as long as there is one."""
    known = {name for name, _ in network.named_modules()}
    paths: Iterator[str] = (path.format(i) for i in count())
    found: dict[str, str] = {}
    while (here := next(paths)) in known:
        found[f"layer{len(found) + 1}"] = here
    return found


def _initialised(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with seeded(seed):
        return build()


def _empty(build: Callable[[], nn.Module]) -> nn.Module | None:
    """The network without values; None if it has values that no state dict holds, or is built by what it computes."""
    try:
        with torch.device("meta"):
            network = build()
    # torch has no class of its own for an operation that needs values.
    except RuntimeError:
        return None
    saved = network.state_dict().keys()
    unsaved = any(name not in saved for name, _ in network.named_buffers())
    return None if unsaved or any(map(_holds_tensors, network.modules())) else network


def _holds_tensors(module: nn.Module) -> bool:
    """Whether a module has tensors as plain attributes, of which torch does not know."""
    return any(isinstance(value, Tensor) for value in vars(module).values())


def _under(path: str, network: nn.Module) -> nn.Module:
    """The network as a file names it: inside a module for each part of ``path``."""
    for part in reversed(path.split(".") if path else []):
        network = nn.ModuleDict({part: network})
    return network

"""A network in memory: what identifies it, and how it is lent to a run and given back as it was."""

from __future__ import annotations

import hashlib
import inspect
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from brainbench.backbones.checkpoints import state_sha256
from brainbench.backbones.module_backbone import ModuleBackbone
from brainbench.cards import BackboneCard
from brainbench.errors import UsageError
from brainbench.types import Weights

# A flip with p = .5 that gives the same picture so often is one in 128.
_TIMES = 8


class InMemory:
    """The loader of a card that ``from_module`` made. ``identity`` is the card's version.

    It covers the weights, the modules and the source of their classes, the layers and the submodules that they are read from,
    and what the network does: the tokens of three fixed pictures of noise. Attributes, hooks and functions put on an object show
    in nothing else.

    Raises UsageError when preprocessing or tokens are not the same each time.
    """

    def __init__(self, name: str, model: nn.Module, layers: Mapping[str, str], backbone: ModuleBackbone) -> None:
        self._name, self._model, self._layers, self._backbone = name, model, layers, backbone
        # Of a network that does not take pictures of noise, nothing is known of what it does, so it is like no other: its
        # features serve as long as this object, and are never taken for another's.
        self._unknown = uuid.uuid4().hex
        self.identity = self._identity()

    def __call__(self, *, weights: Weights, settings: Mapping[str, Any]) -> ModuleBackbone:
        """Give the backbone; raises UsageError when the network has changed since its identity was taken."""
        if weights.kind == "file":
            raise UsageError(f"{self._name} was made in memory: load the file into the module before from_module")
        if self._identity() != self.identity:
            raise UsageError(f"{self._name} has changed while the run was under way: run again once it stays as it is")
        return self._backbone

    def anew(self) -> InMemory:
        """The same network, identified as it is now."""
        again = InMemory.__new__(InMemory)
        vars(again).update(vars(self))
        again.identity = again._identity()
        return again

    def _identity(self) -> str:
        model = self._model
        known = f"{state_sha256(model)} {model} {_code(model)} {list(self._layers.items())} {self._behaviour()}"
        return hashlib.sha256(known.encode()).hexdigest()

    def _behaviour(self) -> str:
        # On one thread of the CPU, so that it is the same whatever the run computes on.
        with torch.random.fork_rng(devices=[]), _one_thread(), lent(self._model, "cpu"):
            pictures = _noise()
            try:
                made = [[self._backbone.preprocess(picture) for _ in range(_TIMES)] for picture in pictures]
                self._same_each_time(made, "its preprocessing", "a random crop or flip")
            except UsageError:
                raise
            # One that takes other pictures only may raise anything.
            except Exception:
                return self._unknown
            try:
                tokens = [[_tensors(self._backbone, one) for one in several[:2]] for several in made]
            # A network that fails does so again in its job, which says so.
            except Exception:
                return self._unknown
        for several in tokens:
            self._same_each_time([list(layer) for layer in zip(*several, strict=True)], "the network", "dropout")
        return _digest([tensor for several in (made, tokens) for tensor in _flat(several)])

    def _same_each_time(self, made: Sequence[Sequence[Tensor]], what: str, example: str) -> None:
        for first, *others in made:
            if not all(other.shape == first.shape and torch.allclose(other, first, equal_nan=True) for other in others):
                raise UsageError(
                    f"from_module(name={self._name!r}): {what} gives another result each time ({example} that is always on?); "
                    "make it deterministic, or tokens are not a property of the network"
                )


def as_it_is_now(card: BackboneCard) -> BackboneCard:
    """The card of a network in memory, identified as the network is now; any other card as it is."""
    if not isinstance(card.loader, InMemory):
        return card
    loader = card.loader.anew()
    return replace(card, loader=loader, version=loader.identity)


@contextmanager
def lent(module: nn.Module, device: str) -> Iterator[None]:
    """Hold a network in eval mode on ``device``; afterwards every part has the mode and the device that it had before."""
    modes = [(part, part.training) for part in module.modules()]
    places = [(part, name, tensor.device) for part in module.modules() for name, tensor in _own(part)]
    try:
        module.to(device).train(False)
        yield
    finally:
        for part, mode in modes:
            part.training = mode
        for part, name, place in places:
            _move(part, name, place)


def _own(part: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from part.named_parameters(recurse=False)
    yield from part.named_buffers(recurse=False)


def _move(part: nn.Module, name: str, place: torch.device) -> None:
    tensor = getattr(part, name)
    if tensor.device == place:
        return
    if isinstance(tensor, nn.Parameter):
        tensor.data = tensor.data.to(place)
    else:
        setattr(part, name, tensor.to(place))


@contextmanager
def _one_thread() -> Iterator[None]:
    # Sums depend on how they are cut among threads.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _noise() -> list[Image.Image]:
    """Pictures of two sizes; the third has large fields of full colours, which no resizing makes paler."""
    rng = np.random.default_rng(0)
    sizes = ((48, 64), (400, 300))
    fine = [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
    fields = rng.integers(0, 2, (4, 4, 3), dtype=np.uint8) * 255
    return [*fine, Image.fromarray(fields.repeat(60, axis=0).repeat(60, axis=1))]


def _tensors(backbone: ModuleBackbone, picture: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        tokens = backbone.tokens(picture[None])
    return [*tokens.local_tokens, *tokens.global_tokens]


def _flat(nested: Any) -> Iterator[Tensor]:
    if isinstance(nested, Tensor):
        yield nested
    else:
        for one in nested:
            yield from _flat(one)


def _digest(tensors: Sequence[Tensor]) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _code(model: nn.Module) -> list[str]:
    """The source of every class in the network, as far as there is one: a forward that was edited is another network."""
    found = []
    for kind in {type(module) for module in model.modules()}:
        try:
            found.append(inspect.getsource(kind))
        except (OSError, TypeError):  # typed at a prompt
            found.append(kind.__qualname__)
    return sorted(found)

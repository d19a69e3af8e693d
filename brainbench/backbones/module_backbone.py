"""A backbone from any torch module, which reads tokens from its submodules while the module runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from brainbench.errors import UsageError, did_you_mean
from brainbench.types import Tokens

MOST_PREFIX_TOKENS = 9  # a class token and up to eight registers


class ModuleBackbone:
    """A Backbone that reads the outputs of named submodules of ``module``.

    An output is [B, C, H, W] (global token = average over space), [B, P + g*g, C] (a sequence: class token, registers, then
    the patches of a square grid row by row; P = 0 to 9) or [B, C] (one token for the whole image: a 1 x 1 grid). Of a tuple the
    first element counts; of a submodule that runs several times, the last run.

    layers: names of submodules as in ``module.named_modules()``, early to late, or a mapping from the layers' names to those.
    read: (one submodule's output, the layer's name) -> Tokens of one layer, where the outputs are none of these.
    Raises UsageError for a name that is not there.
    """

    layers: Sequence[str]
    module: nn.Module | None

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[str] | Mapping[str, str],
        preprocess: Callable[[Image.Image], Tensor],
        read: Callable[[Tensor, str], Tokens] | None = None,
    ) -> None:
        self._names = list(layers.values()) if isinstance(layers, Mapping) else layers
        check_names(module, self._names)
        self.module = self._module = module
        self.layers = tuple(layers)
        self._preprocess = preprocess
        self._read = read or as_tokens

    def preprocess(self, image: Image.Image) -> Tensor:
        """Convert an RGB image to the network's input, [3, H, W]."""
        return self._preprocess(image)

    def tokens(self, batch: Tensor) -> Tokens:
        """Return the tokens of every layer for a batch [B, 3, H, W]."""
        outputs = read_outputs(self._module, self._names, batch)
        parts = [self._read(output, name) for name, output in zip(self.layers, outputs, strict=True)]
        return Tokens(tuple(p.local_tokens[0] for p in parts), tuple(p.global_tokens[0] for p in parts))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside the block, for libraries' initialisations, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def check_names(module: nn.Module, layers: Sequence[str]) -> None:
    """Raise UsageError unless ``layers`` is a non-empty list of different submodules of ``module``."""
    known = dict(module.named_modules())
    kind = type(module).__name__
    if isinstance(layers, str) or not layers:
        raise UsageError(f"layers of {kind}: {layers!r} given, expected a list of names of submodules")
    for name in layers:
        if name not in known or not name:
            raise UsageError(
                f"{kind} has no submodule {name!r}{did_you_mean(name, known)}; module.named_modules() lists them"
            )
    if len(set(layers)) < len(layers):
        raise UsageError(f"layers of {kind}: {', '.join(layers)}: each may be named once")


def read_outputs(module: nn.Module, names: Sequence[str], batch: Tensor) -> list[Tensor]:
    """Run ``module`` on ``batch`` without gradients and return what its submodules ``names`` gave back.

    Copies, so that later in-place operations do not reach them. Raises UsageError if one did not run or gave no tensor.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) and output else output
            if not isinstance(first, Tensor):
                raise UsageError(
                    f"layer {name}: gives {type(first).__name__}, expected a tensor; name another submodule"
                )
            outputs[name] = first.detach().clone()

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for name in names:
            hooks.callback(module.get_submodule(name).register_forward_hook(keep(name)).remove)
        module(batch)
    for name in names:
        if name not in outputs:
            raise UsageError(f"layer {name}: does not run in the forward pass of {type(module).__name__}; name another")
    return [outputs[name] for name in names]


def as_tokens(output: Tensor, name: str) -> Tokens:
    """Return the tokens in one submodule's output. Raises UsageError, naming the layer, for any other shape."""
    if output.ndim == 4:
        return Tokens.from_local([output])
    if output.ndim == 2:
        return Tokens((output[:, :, None, None],), (output,))
    side = math.isqrt(output.shape[1]) if output.ndim == 3 else 0
    if not side or output.shape[1] - side * side > MOST_PREFIX_TOKENS:
        raise UsageError(
            f"layer {name}: gives {list(output.shape)}, expected [B, C, H, W], [B, C] or [B, g*g + 0 to"
            f" {MOST_PREFIX_TOKENS}, C]; name another submodule"
        )
    return Tokens.from_sequences([output], (side, side))

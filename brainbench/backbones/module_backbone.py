"""A backbone from any torch module, which reads tokens from its submodules while the module runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from brainbench.backbones.output_layouts import OutputLayout, find_layout, needs_probe, regions, written
from brainbench.errors import UsageError, did_you_mean
from brainbench.types import Tokens

_PICTURE = 24  # random colours on each side of the pictures that a probe shows


class ModuleBackbone:
    """A Backbone that reads the outputs of named submodules of ``module``.

    An output is a map, [B, C, H, W] or [B, H, W, C]; a sequence [B, N, C] of the patches of a grid, row by row, with other
    tokens before or after them; or [B, C], one token for the whole image (a 1 x 1 grid). Which of these it is, and which tokens
    are patches, is found out on the first batch: regions of a picture are changed, and tokens must answer at their place. Of a
    tuple the first element counts, of a mapping its ``last_hidden_state``; of a submodule that runs several times, the last run.

    layers: names of submodules as in ``module.named_modules()``, early to late, or a mapping from the layers' names to those.
    layout: layer -> ``BCHW``, ``BHWC`` or a sequence such as ``1+14x14+4``, where nothing should be left to find out; one text
    for all layers. read: (one submodule's output, the layer's name) -> Tokens of one layer, instead of all of this.

    Raises UsageError for a name that is not there, and for a module whose submodules cannot be read (TorchScript).
    """

    layers: Sequence[str]
    module: nn.Module | None

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[str] | Mapping[str, str],
        preprocess: Callable[[Image.Image], Tensor],
        read: Callable[[Tensor, str], Tokens] | None = None,
        layout: str | Mapping[str, str] | None = None,
    ) -> None:
        self._names = list(layers.values()) if isinstance(layers, Mapping) else layers
        _check_module(module)
        check_names(module, self._names)
        self.module = self._module = module
        self.layers = tuple(layers)
        self._preprocess = preprocess
        self._read = read
        self._given = _given(layout, self.layers)
        self._layouts: dict[tuple[int, int], dict[str, OutputLayout]] = {}  # by the size of the images

    def preprocess(self, image: Image.Image) -> Tensor:
        """Convert an RGB image to the network's input, [3, H, W], from whatever ``as_input`` accepts."""
        return as_input(self._preprocess(image))

    def tokens(self, batch: Tensor) -> Tokens:
        """Return the tokens of every layer for a batch [B, 3, H, W]."""
        outputs = read_outputs(self._module, self._names, batch)
        image = (batch.shape[2], batch.shape[3])
        if self._read is None:
            for name, output in zip(self.layers, outputs, strict=True):
                _check_output(name, output, len(batch))
            if image not in self._layouts:
                self._layouts[image] = self._found(outputs, batch)
        parts = [self._part(output, name, image) for name, output in zip(self.layers, outputs, strict=True)]
        return Tokens(tuple(p.local_tokens[0] for p in parts), tuple(p.global_tokens[0] for p in parts))

    def _part(self, output: Tensor, name: str, image: tuple[int, int]) -> Tokens:
        if self._read is not None:
            return self._read(output, name)
        if output.ndim == 2:
            return Tokens((output[:, :, None, None],), (output,))
        layout = self._layouts[image][name]
        if not layout.fits(output.shape):
            raise UsageError(f"layer {name}: gives {list(output.shape)}, which is not of layout {layout.text}")
        return layout.tokens(output)

    def _found(self, outputs: Sequence[Tensor], batch: Tensor) -> dict[str, OutputLayout]:
        """The layouts of all layers; the network is shown changed pictures only if a shape leaves something open."""
        image = (batch.shape[2], batch.shape[3])
        found = dict(self._given)
        for name, output in zip(self.layers, outputs, strict=True):
            if name not in found and output.ndim == 4 and not needs_probe(output.shape, image):
                found[name] = OutputLayout(1)
        missing = [i for i, name in enumerate(self.layers) if name not in found and outputs[i].ndim != 2]
        if missing:
            changed = self._changed(batch)
            with torch.no_grad():
                shown = read_outputs(self._module, [self._names[i] for i in missing], changed)
            for i, output in zip(missing, shown, strict=True):
                _check_output(self.layers[i], output, len(changed))
                found[self.layers[i]] = find_layout(output, image, self.layers[i], self._module, found.values())
        return found

    def _changed(self, batch: Tensor) -> Tensor:
        """[17, 3, H, W]: a picture of random colours, and the same with a region of another one; the same in every process."""
        noise = np.random.default_rng(0)
        first, second = (
            self.preprocess(
                Image.fromarray(noise.integers(0, 256, (_PICTURE, _PICTURE, 3), dtype=np.uint8)).resize((320, 320))
            ).to(batch)
            for _ in range(2)
        )
        if first.shape != batch.shape[1:]:  # of a preprocessing that keeps an image's size
            size = batch.shape[2:]
            first, second = (nn.functional.interpolate(one[None], size)[0] for one in (first, second))
        changed = regions((batch.shape[2], batch.shape[3]))[:, None].to(batch.device)
        return torch.cat([first[None], torch.where(changed, second, first)])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside the block, for libraries' initialisations, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def as_input(made: Any) -> Tensor:
    """What a preprocessing returned, as a float tensor [3, H, W]; raises UsageError if it is something else.

    An array becomes a tensor, an axis of one image is dropped, and of a mapping, as transformers' processors return it, the entry
    ``pixel_values`` counts.
    """
    image = made["pixel_values"] if isinstance(made, Mapping) and "pixel_values" in made else made
    if isinstance(image, list) and len(image) == 1:
        image = image[0]
    if isinstance(image, np.ndarray):
        image = torch.from_numpy(image.copy())
    if isinstance(image, Tensor) and image.ndim == 4 and len(image) == 1:
        image = image[0]
    shape = ""
    if isinstance(image, Tensor):
        channels_last = image.ndim == 3 and image.shape[2] == 3 != image.shape[0]
        if image.ndim == 3 and image.is_floating_point() and not channels_last:
            return image
        shape = f" {image.dtype} {list(image.shape)}"
    raise UsageError(
        f"preprocess gives {type(made).__name__}{shape}, expected a tensor of floats, [3, H, W], for an image"
    )


def _check_module(module: nn.Module) -> None:
    kind = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule):
        raise UsageError(
            f"{kind} is TorchScript, which tells nothing of its submodules: give the module it was made from"
        )


def check_values(module: nn.Module) -> None:
    """Raise UsageError if a parameter or buffer holds no values: on the meta device a network has shapes alone."""
    kind = type(module).__name__
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.is_meta or nn.parameter.is_lazy(value):
            raise UsageError(f"{kind}: {name} holds no values yet: load weights, or run the network once, before this")


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


def _given(layout: str | Mapping[str, str] | None, layers: Sequence[str]) -> dict[str, OutputLayout]:
    named = layout if isinstance(layout, Mapping) else {} if layout is None else dict.fromkeys(layers, layout)
    for name in named:
        if name not in layers:
            raise UsageError(f"layout names {name!r}{did_you_mean(name, layers)}; the layers are {', '.join(layers)}")
    return {name: written(text, name) for name, text in named.items()}


def read_outputs(module: nn.Module, names: Sequence[str], batch: Tensor) -> list[Tensor]:
    """Run ``module`` on ``batch`` and return what its submodules ``names`` gave back, with gradients where torch records them.

    Copies, so that later in-place operations do not reach them. A network that does not take float32 gets the type of its own
    parameters. Raises UsageError if a submodule did not run or gave no tensor.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            outputs[name] = _first(output, name).clone()

        return hook

    with ExitStack() as hooks:
        for name in names:
            hooks.callback(module.get_submodule(name).register_forward_hook(keep(name)).remove)
        _run(module, batch)
    for name in names:
        if name not in outputs:
            raise UsageError(f"layer {name}: does not run in the forward pass of {type(module).__name__}; name another")
    return [outputs[name] for name in names]


def _run(module: nn.Module, batch: Tensor) -> None:
    own = next((p.dtype for p in module.parameters() if p.is_floating_point()), batch.dtype)
    try:
        module(batch)
    except RuntimeError as error:
        # torch has no class of its own for this.
        if own == batch.dtype or not any(word in str(error) for word in ("dtype", "Input type", "scalar type")):
            raise
        module(batch.to(own))


def _first(output: Any, name: str) -> Tensor:
    if isinstance(output, Mapping) and "last_hidden_state" in output:
        output = output["last_hidden_state"]
    first = output[0] if isinstance(output, tuple | list) and output else output
    if isinstance(first, Tensor) and first.is_floating_point():
        return first
    entries = f" of {', '.join(map(str, first))}" if isinstance(first, Mapping) else ""
    found = f"{first.dtype} values" if isinstance(first, Tensor) else f"{type(first).__name__}{entries}"
    raise UsageError(f"layer {name}: gives {found}, expected a tensor of floats; name another submodule")


def _check_output(name: str, output: Tensor, images: int) -> None:
    if output.ndim not in (2, 3, 4):
        raise UsageError(
            f"layer {name}: gives {list(output.shape)}, expected [B, C, H, W], [B, H, W, C], [B, tokens, C] or [B, C]; "
            "name another submodule"
        )
    if len(output) != images:
        raise UsageError(
            f"layer {name}: gives {list(output.shape)} for {images} images: its first axis is not that of the images "
            "(windows, or places, come first); name a submodule whose is"
        )

"""Networks of timm, read through the interface that nearly all of them have: ``forward_intermediates``."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import timm
import torch
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from brainbench import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    ModuleBackbone,
    Tokens,
    Weights,
    WeightsError,
    load_state,
    load_strict,
    read_outputs,
    seeded,
    square,
)

PAPER_SIZE = 224
# The last module before the residual sum, after LayerScale and what some classes multiply by; in eval mode the identity.
ATTENTION = "blocks.{}.drop_path1"


def load(*, name: str, layers: int, blocks: Sequence[str], weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The network ``timm/<variant>`` with the weights that were asked for.

    layers: how many intermediates timm gives. blocks: paths of what is read with the setting ``layers=blocks`` instead.
    Pictures are squashed and normalised by ImageNet's statistics (paper) or the weights' own (native). Raises WeightsError if
    the weights are not there or do not fit.
    """
    if weights.kind == "release" and weights.path is None:
        raise WeightsError(
            f"{name}: its weights cannot be fetched; give --weights {name}=FILE or ask for {name}@untrained"
        )
    variant, preproc = name.removeprefix("timm/"), settings["preproc"]
    with seeded(settings["init_seed"]):
        if weights.path is None:
            network = build(variant, preproc)
        else:
            network = build(variant, preproc, load_state(weights.path), what=f"{name} ({weights.path})")
    own = config(variant)
    mean, std = (own.mean, own.std) if preproc == "native" else (IMAGENET_MEAN, IMAGENET_STD)
    preprocess = partial(square, size=input_size(variant, preproc), mean=mean, std=std)
    network.eval().requires_grad_(False)
    if settings.get("layers") == "blocks":
        paths = {f"layer{i + 1}": path for i, path in enumerate(blocks)}
        return ModuleBackbone(network, paths, preprocess, layout="BCHW")
    return TimmBackbone(network, layers, settings["tap"], preprocess)


class TimmBackbone:
    """A Backbone over a timm network. tap: block, what timm calls its intermediates; attention, see ``ATTENTION``."""

    layers: Sequence[str]
    module: nn.Module | None

    def __init__(self, network: nn.Module, layers: int, tap: str, preprocess: Any) -> None:
        self.module = self._network = network
        self.layers = tuple(f"layer{i + 1}" for i in range(layers))
        self.preprocess = preprocess
        self._tap = tap

    def tokens(self, batch: Tensor) -> Tokens:
        """[B, 3, H, W] -> the tokens of every layer; the global token is the class token or the average over space."""
        if self._tap == "attention":
            return self._attention(batch)
        found = intermediates(self._network, batch)
        pairs = [self._pair(*one) if isinstance(one, tuple | list) else self._pair(one) for one in found]
        return Tokens(tuple(local for local, _ in pairs), tuple(glob for _, glob in pairs))

    def _attention(self, batch: Tensor) -> Tokens:
        prefix = int(getattr(self._network, "num_prefix_tokens", 0))
        outputs = read_outputs(self._network, [ATTENTION.format(i) for i in range(len(self.layers))], batch)
        pairs = []
        for sequence in outputs:
            patches = sequence[:, prefix:].transpose(1, 2)
            side = math.isqrt(patches.shape[2])
            pairs.append(self._pair(patches.reshape(*patches.shape[:2], side, side), sequence[:, :prefix]))
        return Tokens(tuple(local for local, _ in pairs), tuple(glob for _, glob in pairs))

    def _pair(self, patches: Tensor, prefix: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(local [B, C, H, W], global [B, C]). prefix: [B, P, C], class token first if there is one, then the registers."""
        if prefix is not None and prefix.shape[1] and has_class_token(self._network):
            return patches, prefix[:, 0]
        return patches, patches.mean(dim=(2, 3))


def build(variant: str, preproc: str, state: Mapping[str, Tensor] | None = None, what: str = "") -> nn.Module:
    """The network as timm makes it, with its classifier; ``state`` in any layout that timm itself converts.

    A file without a classifier, as training without labels leaves it, gives a network without one: it is not read. Raises
    WeightsError unless every name and shape fits after timm's conversion, and for NaN.
    """
    sizes: dict[str, Any] = {"img_size": input_size(variant, preproc)} if _resizable(variant) else {}
    if state is None:
        return timm.create_model(variant, **sizes)
    own = config(variant)
    # A classifier of another number of classes fits too: it is not read.
    heads = [own.classifier] if isinstance(own.classifier, str) else own.classifier or ()
    rows = [len(state[f"{head}.weight"]) for head in heads if f"{head}.weight" in state]
    if rows or not heads:
        return _filled(variant, sizes, state, rows[0] if rows else own.num_classes, what)
    try:
        return _filled(variant, sizes, state, own.num_classes, what)
    except WeightsError:
        try:
            return _filled(variant, sizes, state, 0, what)
        except WeightsError:
            pass
        # What is said of the network with its classifier is what the file lacks.
        raise


def _filled(variant: str, sizes: Mapping[str, Any], state: Mapping[str, Tensor], classes: int, what: str) -> nn.Module:
    # Equal numbers of classes keep timm strict.
    overlay = {"state_dict": dict(state), "custom_load": False, "num_classes": classes, "label_offset": 0}
    try:
        network = timm.create_model(
            variant, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes, **sizes
        )
    # timm's conversions are many, and a file of another network may break each in its own way.
    except Exception as error:
        reason = " ".join((str(error) or type(error).__name__).split())[:300]
        raise WeightsError(f"the weights do not fit {what}; {reason}; give the file of this very network") from None
    # timm compared names and shapes; NaN remains to be looked for.
    load_strict(network, network.state_dict(), what=what)
    return network


def config(variant: str) -> Any:
    """What timm says of the weights: where they lie, their input size and statistics."""
    return timm.models.get_pretrained_cfg(variant) or timm.models.PretrainedCfg()


def input_size(variant: str, preproc: str) -> int:
    """Pixels a side: 224 for ``paper`` where the network takes it, else the size that its weights were made for."""
    own = config(variant)
    free = not own.fixed_input_size or _resizable(variant)
    return PAPER_SIZE if preproc == "paper" and free else int(own.input_size[-1])


def intermediates(network: Any, batch: Tensor) -> list[Any]:
    """Per layer [B, C, H, W], or that and the prefix tokens [B, P, C]; before the final norm."""
    # Without any, some classes (relative positions) trip over the question.
    asked = gives_prefix(network) and network.num_prefix_tokens > 0
    options = {"return_prefix_tokens": True} if asked else {}
    return list(network.forward_intermediates(batch, intermediates_only=True, **options))


def gives_prefix(network: Any) -> bool:
    """Whether the network's blocks carry the prefix tokens along, so that timm hands them out with each layer."""
    return "return_prefix_tokens" in inspect.signature(network.forward_intermediates).parameters


def shapes(network: nn.Module, size: int) -> list[tuple[int, ...]]:
    """[1, C, H, W] of each layer's local tokens, of a network on the meta device; raises whatever timm raises."""
    with torch.no_grad(), torch.device("meta"):
        found = intermediates(network.eval(), torch.zeros(1, 3, size, size))
    local = [tuple((one[0] if isinstance(one, tuple | list) else one).shape) for one in found]
    if not local or any(len(shape) != 4 for shape in local):
        raise ValueError(f"gives {local[:1]}, expected maps [B, C, H, W]")
    return local


def has_class_token(network: nn.Module) -> bool:
    """Whether the first prefix token is one; registers alone stand for nothing."""
    return any(name.rpartition(".")[2] == "cls_token" for name, _ in network.named_parameters())


def has_attention_tap(network: Any, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether each layer is one block whose attention adds a sequence [B, P + H*W, C] to the residual stream."""
    blocks = getattr(network, "blocks", ())
    # Some classes (XCiT) add their class token after the blocks although they count it as a prefix.
    plain = gives_prefix(network) and len(set(shapes)) == 1 and len(blocks) == len(shapes)
    return plain and all(hasattr(block, "attn") and hasattr(block, "drop_path1") for block in blocks)


@cache
def _resizable(variant: str) -> bool:
    """Whether timm resamples the positions of this network to 224 px: a plain transformer whose patches divide it."""
    if not config(variant).fixed_input_size:
        return False
    with torch.device("meta"):
        network = timm.create_model(variant)
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    return isinstance(network, VisionTransformer | Eva) and isinstance(patch, tuple) and PAPER_SIZE % patch[0] == 0

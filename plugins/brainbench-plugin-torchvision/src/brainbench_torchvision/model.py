"""Classifiers of torchvision, read after each of their blocks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn
from torchvision.models import (
    VGG,
    AlexNet,
    VisionTransformer,
    convnext,
    efficientnet,
    get_model,
    get_model_weights,
    mobilenetv2,
    mobilenetv3,
    resnet,
    swin_transformer,
    vision_transformer,
)

from brainbench import IMAGENET_MEAN, IMAGENET_STD, Backbone, ModuleBackbone, Weights, build_network, square

PAPER_SIZE = 224
KINDS = "AlexNet, VGG, ResNet, MobileNet, EfficientNet, ConvNeXt, Swin, ViT"
# What has a residual sum of its own. Networks without one are read after each convolution's ReLU.
BLOCKS = (
    resnet.BasicBlock,
    resnet.Bottleneck,
    mobilenetv2.InvertedResidual,
    mobilenetv3.InvertedResidual,
    efficientnet.MBConv,
    efficientnet.FusedMBConv,
    convnext.CNBlock,
    swin_transformer.SwinTransformerBlock,
    vision_transformer.EncoderBlock,
)
PLAIN = (AlexNet, VGG)
# No layer that anybody reads; a file may come without it, or with another one.
CLASSIFIERS = ("classifier", "fc", "head", "heads")


def load(*, name: str, architecture: str, release: str, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The network ``architecture`` with the weights that were asked for. release: torchvision's name for its own ones.

    Pictures are squashed and normalised by ImageNet's statistics (paper) or the release's own (native). Raises WeightsError if
    the weights do not fit.
    """
    releases: Any = get_model_weights(architecture)
    own, preproc = releases[release], settings["preproc"]
    size = input_size(own, preproc)
    network = build_network(
        partial(build, architecture, size),
        weights,
        settings["init_seed"],
        name=name,
        drop=[f"{classifier}." for classifier in CLASSIFIERS],
    )
    return reading(network, size, settings["tap"], own if preproc == "native" else None)


def build(architecture: str, size: int) -> Any:
    """The network as torchvision initialises it, without its classifier. size: pixels a side, of a ViT its only ones."""
    network = get_model(architecture, **({"image_size": size} if architecture.startswith("vit_") else {}))
    for classifier in CLASSIFIERS:
        if hasattr(network, classifier):
            setattr(network, classifier, nn.Identity())
    return network


def input_size(release: Any, preproc: str) -> int:
    """Pixels a side: 224 for ``paper`` where the network takes it, else the size that the weights were made for."""
    least, own = release.meta["min_size"][0], release.transforms().crop_size[0]
    return PAPER_SIZE if preproc == "paper" and least <= PAPER_SIZE else int(own)


def has_imagenet_statistics(release: Any) -> bool:
    """Whether pictures were normalised by the means and deviations of ImageNet."""
    shown = release.transforms()
    return (tuple(shown.mean), tuple(shown.std)) == (IMAGENET_MEAN, IMAGENET_STD)


def is_transformer(network: nn.Module) -> bool:
    """Whether it is a plain vision transformer, which has an attention branch to read."""
    return isinstance(network, VisionTransformer)


def layer_paths(network: nn.Module) -> list[str]:
    """Paths of the submodules that are read, early to late: its blocks, or each convolution's ReLU; empty if it has neither."""
    kinds = nn.ReLU if isinstance(network, PLAIN) else BLOCKS
    return [path for path, module in network.named_modules() if isinstance(module, kinds)]


def reading(network: nn.Module, size: int, tap: str = "block", release: Any = None) -> ModuleBackbone:
    """The backbone that reads a network's layers. release: whose statistics pictures are normalised by; ImageNet's if None."""
    # The last thing in a block of a ViT before the residual sum of its attention is the dropout, which does nothing in eval mode.
    branch = ".dropout" if tap == "attention" else ""
    layers = {f"layer{i + 1}": path + branch for i, path in enumerate(layer_paths(network))}
    statistics = {"mean": release.transforms().mean, "std": release.transforms().std} if release else {}
    return ModuleBackbone(network, layers, partial(square, size=size, **statistics), layout=_layout(network, size))


def _layout(network: Any, size: int) -> str:
    if isinstance(network, VisionTransformer):
        side = size // network.patch_size
        return f"1+{side}x{side}"
    return "BHWC" if isinstance(network, swin_transformer.SwinTransformer) else "BCHW"

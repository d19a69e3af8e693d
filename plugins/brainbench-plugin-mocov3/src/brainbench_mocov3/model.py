"""Vision transformers trained by MoCo v3, built and run by mmpretrain or by timm."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

from brainbench import Backbone, ModuleBackbone, PluginError, Weights, build_network, numbered_layers, square

_AT_224: dict[str, int] = {"img_size": 224, "patch_size": 16}
# The small one has 12 heads, not the 6 of other ViT-S: the shapes of the weights are the same, the network is not.
ARCHITECTURES: dict[str, dict[str, int]] = {
    "small": _AT_224 | {"embed_dim": 384, "depth": 12, "num_heads": 12},
    "base": _AT_224 | {"embed_dim": 768, "depth": 12, "num_heads": 12},
    "large": _AT_224 | {"embed_dim": 1024, "depth": 24, "num_heads": 16},
    "mini": {"img_size": 64, "patch_size": 8, "embed_dim": 96, "depth": 12, "num_heads": 3},
}
# In both libraries this is the last thing before the residual sum, a layer scale included where there is one.
TAPS = {
    "mmpretrain": {"block": "layers.{}", "attention": "layers.{}.attn"},
    "timm": {"block": "blocks.{}", "attention": "blocks.{}.ls1"},
}
# Whose files hold what: where the encoder is, and what else there is (both save the whole training, two encoders and all).
LAYOUTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "openmmlab": ("backbone", ("data_preprocessor.", "head.", "momentum_encoder.", "neck.")),
    "facebook": (
        "module.base_encoder",
        ("module.base_encoder.head.", "module.momentum_encoder.", "module.predictor."),
    ),
}
# Parts of the names in mmpretrain and in timm, to be replaced in this order.
TIMM_NAMES = {
    "backbone.ln1.": "backbone.norm.",
    ".patch_embed.projection.": ".patch_embed.proj.",
    ".ffn.layers.0.0.": ".mlp.fc1.",
    ".ffn.layers.1.": ".mlp.fc2.",
    ".layers.": ".blocks.",
    ".ln1.": ".norm1.",
    ".ln2.": ".norm2.",
}


def load(*, name: str, architecture: str, layout: str, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The network ``architecture`` (a key of ARCHITECTURES) with the weights that were asked for.

    layout: whose files it reads, a key of LAYOUTS. Pictures are squashed and normalised by ImageNet's statistics (paper), which are
    this network's own too (native). Raises WeightsError if the weights do not fit, PluginError if mmpretrain cannot be imported.
    """
    # The cards of Facebook's weights have no such setting.
    library = settings.get("library", "timm")
    inside, other_parts = LAYOUTS[layout]
    renames = (library, layout) == ("timm", "openmmlab")
    network = build_network(
        partial(build, name, architecture, library),
        weights,
        settings["init_seed"],
        name=name,
        convert=lambda state: {timm_name(key) if renames else key: state[key] for key in state},
        inside=inside,
        drop=other_parts,
    )
    layers = numbered_layers(network, TAPS[library][settings["tap"]])
    return ModuleBackbone(network, layers, partial(square, size=ARCHITECTURES[architecture]["img_size"]))


def build(name: str, architecture: str, library: str) -> nn.Module:
    """The network as ``library`` initialises it."""
    shape = ARCHITECTURES[architecture]
    return _with_timm(shape) if library == "timm" else _with_mmpretrain(name, shape)


def _with_timm(shape: Mapping[str, Any]) -> nn.Module:
    from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
    from timm.models import VisionTransformer

    network = VisionTransformer(**shape, num_classes=0, weight_init="moco")
    # MoCo v3 does not learn its positions; timm would draw them.
    grid = [shape["img_size"] // shape["patch_size"]] * 2
    positions = build_sincos2d_pos_embed(grid, shape["embed_dim"], interleave_sin_cos=True)
    network.pos_embed = nn.Parameter(nn.functional.pad(positions, (0, 0, 1, 0))[None])
    return network


def _with_mmpretrain(name: str, shape: Mapping[str, Any]) -> nn.Module:
    try:
        with warnings.catch_warnings():
            # About operators and libraries that other networks of mmpretrain's would need.
            warnings.simplefilter("ignore")
            from mmpretrain.models.selfsup.mocov3 import MoCoV3ViT
    # Unmaintained as it is, it may break with any release of its dependencies; wrong versions it meets with an assertion.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise PluginError(
            f"{name}: mmpretrain cannot be imported ({reason}); `pip install 'mmpretrain>=1.2' 'mmcv-lite>=2.1,<2.4'"
            " 'mmengine>=0.10,<1'`, or have timm run the same network: --set mocov3.library=timm"
        ) from None
    width = shape["embed_dim"]
    arch = {
        "embed_dims": width,
        "num_layers": shape["depth"],
        "num_heads": shape["num_heads"],
        "feedforward_channels": 4 * width,
    }
    network: nn.Module = MoCoV3ViT(arch=arch, img_size=shape["img_size"], patch_size=shape["patch_size"])
    with _quiet():
        # Not done by the constructor, which leaves the positions at zero.
        network.init_weights()  # type: ignore[operator]
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, mmengine does not tell how it initialises each parameter."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def timm_name(key: str) -> str:
    """What timm calls the parameter of the encoder that is ``key`` in a file of OpenMMLab's."""
    if key.startswith("backbone."):
        for theirs, ours in TIMM_NAMES.items():
            key = key.replace(theirs, ours)
    return key

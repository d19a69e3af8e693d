"""A name of timm -> its card. The network is built without weights, on torch's meta device, to be counted and measured."""

from __future__ import annotations

from functools import partial
from typing import Any

import timm
import torch

from brainbench import IMAGENET_MEAN, IMAGENET_STD, BackboneCard, Setting, UsageError, did_you_mean, lazy
from brainbench_timm import model
from brainbench_timm.blocks import block_paths

# How the hub names the files of timm, the safe format first.
FILES = ("model.safetensors", "pytorch_model.bin")

LAYERS = Setting("layers", str, "stages", "what a layer of a network in stages is", ("stages", "blocks"))


def card(*, name: str) -> BackboneCard:
    """The card of ``timm/<architecture>`` (timm's default weights) or ``timm/<architecture>.<tag>``.

    Raises UsageError for a name timm does not know and for a network whose layers cannot be read.
    """
    variant = name.removeprefix("timm/")
    config = _config(name, variant)
    network = _without_weights(variant)
    size = model.input_size(variant, "paper")
    try:
        shapes = model.shapes(network, size)
    # Each of timm's classes raises its own exception for what it cannot do.
    except Exception as error:
        raise UsageError(
            f"{name}: timm's {type(network).__name__} does not give its layers"
            f" ({(str(error) or type(error).__name__).splitlines()[0][:160]}); choose another network"
        ) from None
    # Where all layers are alike, they are blocks already.
    blocks = block_paths(network, size) if len(set(shapes)) > 1 else []
    has_blocks = len(blocks) > len(shapes)
    patch: Any = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    released = bool(config.hf_hub_id or config.url)
    parameters = sum(p.numel() for p in network.parameters())
    return BackboneCard(
        name=name,
        loader=partial(lazy("brainbench_timm.model:load"), name=name, layers=len(shapes), blocks=blocks),
        settings=(LAYERS,) if has_blocks else (),
        summary=f"{config.architecture or variant} of timm",
        libraries=("timm",),
        weights=(config.tag or "release") if released else "untrained",
        layers=len(shapes),
        width=max(shape[1] for shape in shapes),
        patch=patch[0] if isinstance(patch, tuple) else None,
        input_size=size,
        normalisation="ImageNet" if _imagenet(config) else f"mean {config.mean}, std {config.std}",
        taps=("block", "attention") if model.has_attention_tap(network, shapes) else ("block",),
        parameters=parameters,
        licence=config.license,
        download_mb=round(parameters * 4e-6, 1) if released else None,
        **_source(config),
    )


def _without_weights(variant: str) -> torch.nn.Module:
    """The network on the meta device."""
    try:
        with torch.device("meta"):
            return model.build(variant, "paper")
    # Of some networks timm computes the widths with torch, and older versions of torch cannot do that on the meta device.
    except NotImplementedError:
        return model.build(variant, "paper").to("meta")


def _config(name: str, variant: str) -> Any:
    architecture, _, tag = variant.partition(".")
    if not timm.is_model(architecture):
        guess = did_you_mean(architecture, timm.list_models())
        raise UsageError(f"{name}: timm {timm.__version__} has no network {architecture!r}{guess}; timm.list_models()")
    tags = {n.partition(".")[2] for n in timm.list_models(f"{architecture}.*", pretrained=True)} - {""}
    if tag and tag not in tags:
        allowed = f"allowed are {', '.join(sorted(tags))}" if tags else f"it has none, write timm/{architecture}"
        raise UsageError(f"{name}: timm has no weights {tag!r} of {architecture}{did_you_mean(tag, tags)}; {allowed}")
    config = model.config(variant)
    if "QuickGELU" in " ".join(config.notes or ()) and "quickgelu" not in architecture:
        # timm silently runs GELU under this name; the tokens would be those of a network that was never trained.
        twin = architecture.replace("_clip_", "_clip_quickgelu_")
        raise UsageError(
            f"{name}: these weights were trained with QuickGELU, this network computes GELU; ask for"
            f" timm/{twin}.{config.tag}"
        )
    if config.input_size[0] != 3 or config.input_size[1] != config.input_size[2]:
        raise UsageError(f"{name}: takes {list(config.input_size)}, expected 3 channels and a square; choose another")
    return config


def _source(config: Any) -> dict[str, Any]:
    """Return the source of the weights, as brainbench downloads them: a repository of the hub rather than a URL, as in timm."""
    if config.hf_hub_id:
        return {"source": config.hf_hub_id, "files": (config.hf_hub_filename, *FILES)[not config.hf_hub_filename :]}
    return {"source": config.url} if config.url else {}


def _imagenet(config: Any) -> bool:
    return tuple(config.mean) == IMAGENET_MEAN and tuple(config.std) == IMAGENET_STD

"""A name of torchvision -> its card. The network is built on torch's meta device, to be counted and measured."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import torch
import torchvision
from torchvision.models import get_model_weights, list_models

from brainbench import BackboneCard, UsageError, did_you_mean, lazy
from brainbench_torchvision import model


def card(*, name: str) -> BackboneCard:
    """The card of ``torchvision/<architecture>`` (torchvision's default weights) or ``torchvision/<architecture>.<weights>``.

    Raises UsageError for a name torchvision does not know, and for a network whose layers are not known here.
    """
    architecture, _, tag = name.removeprefix("torchvision/").partition(".")
    known = list_models(module=torchvision.models)
    if architecture not in known:
        guess = did_you_mean(architecture, known)
        raise UsageError(
            f"{name}: torchvision {torchvision.__version__} has no classifier {architecture!r}{guess};"
            " torchvision.models.list_models(module=torchvision.models) lists them"
        )
    release = _release(name, architecture, tag)
    size = model.input_size(release, "paper")
    with torch.device("meta"), warnings.catch_warnings():
        # About how some networks that are refused below would be initialised.
        warnings.simplefilter("ignore", FutureWarning)
        network = model.build(architecture, size).eval()
        paths = model.layer_paths(network)
        if not paths:
            raise UsageError(
                f"{name}: the layers of torchvision's {type(network).__name__} are not known here; choose a network of"
                f" {model.KINDS}, or one of timm: timm/{architecture}"
            )
        tokens = model.reading(network, size).tokens(torch.zeros(1, 3, size, size))
    facts = release.meta
    return BackboneCard(
        name=name,
        loader=partial(
            lazy("brainbench_torchvision.model:load"), name=name, architecture=architecture, release=release.name
        ),
        summary=f"{architecture} of torchvision",
        libraries=("torchvision",),
        weights=release.name,
        layers=len(paths),
        width=max(token.shape[1] for token in tokens.global_tokens),
        patch=getattr(network, "patch_size", None),
        input_size=size,
        normalisation="ImageNet" if model.has_imagenet_statistics(release) else "its own",
        taps=("block", "attention") if model.is_transformer(network) else ("block",),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        licence=facts.get("license", "BSD-3-Clause (code); none stated for the weights"),
        training_data="ImageNet-1k (1.28 million images)" if "SWAG" not in release.name else None,
        source=release.url,
        # torchvision ends its files' names in the first digits of their sha256.
        sha256=release.url.removesuffix(".pth").rpartition("-")[2],
        # In MiB there.
        download_mb=round(facts["_file_size"] * 1.048576, 1),
    )


def _release(name: str, architecture: str, tag: str) -> Any:
    releases: Any = get_model_weights(architecture)
    if not tag:
        return releases.DEFAULT
    tags = [release.name for release in releases]
    if tag not in tags:
        raise UsageError(
            f"{name}: torchvision has no weights {tag!r} of {architecture}{did_you_mean(tag, tags)};"
            f" allowed are {', '.join(tags)}"
        )
    return releases[tag]

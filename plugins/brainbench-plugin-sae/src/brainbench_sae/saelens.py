"""Autoencoders as files in the format of SAELens: ``cfg.json`` and ``sae_weights.safetensors`` in a folder.

SAELens has no tied autoencoder: a tied one is written as ``standard`` with W_dec = W_enc^T, and read back as tied when the two
are equal. Its W_enc is [C, M], ours [M, C]; its b_enc is our bias, its b_dec our pre-bias.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from brainbench import DataError
from brainbench_sae.autoencoder import Activation, Autoencoder

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_ARCHITECTURES: Mapping[Activation, str] = {"relu": "standard", "topk": "topk", "jumprelu": "jumprelu"}


def write(autoencoder: Autoencoder, folder: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write an autoencoder to a folder, which is made. metadata: facts of any kind, e.g. ``hook_name``, the layer."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = autoencoder.encoder.detach().cpu()
    decoder = encoder if autoencoder.decoder is None else autoencoder.decoder.detach().cpu()
    tensors = {
        "W_enc": encoder.T.contiguous(),
        "W_dec": decoder.clone().contiguous(),
        "b_enc": autoencoder.bias.detach().cpu().contiguous(),
        "b_dec": autoencoder.centre.detach().cpu().contiguous(),
    }
    config: dict[str, Any] = {
        "architecture": _ARCHITECTURES[autoencoder.activation],
        "d_in": autoencoder.channels,
        "d_sae": autoencoder.units,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": dict(metadata or {}),
    }
    if autoencoder.activation == "topk":
        config |= {"k": autoencoder.k, "rescale_acts_by_decoder_norm": False}
    if autoencoder.activation == "jumprelu":
        tensors["threshold"] = autoencoder.threshold.cpu().contiguous()
    save_file(tensors, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True))


def read(folder: Path) -> Autoencoder:
    """Read the autoencoder in a folder.

    Raises DataError if a file is missing or damaged, or describes what this module has not: another architecture, or a
    normalisation of its input.
    """
    try:
        config = json.loads((folder / CONFIG).read_text())
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{folder}: no readable autoencoder ({reason}); expected {CONFIG} and {WEIGHTS} as SAELens writes them"
        ) from error
    return _read(config, tensors, folder)


def _read(config: Mapping[str, Any], tensors: Mapping[str, Tensor], folder: Path) -> Autoencoder:
    kinds = {name: activation for activation, name in _ARCHITECTURES.items()}
    kind = str(config.get("architecture"))
    if kind not in kinds:
        raise DataError(f"{folder}: architecture {kind}; allowed are {', '.join(kinds)}")
    for name, allowed in (("normalize_activations", "none"), ("reshape_activations", "none")):
        if config.get(name, allowed) != allowed:
            raise DataError(f"{folder}: {name} is {config[name]!r}; only {allowed!r} can be read")
    channels, units = config.get("d_in"), config.get("d_sae")
    expected = {"W_enc": (channels, units), "W_dec": (units, channels), "b_enc": (units,), "b_dec": (channels,)}
    expected |= {"threshold": (units,)} if kind == "jumprelu" else {}
    found = {name: tuple(tensors[name].shape) if name in tensors else "missing" for name in expected}
    for name, shape in expected.items():
        if found[name] != shape:
            raise DataError(f"{folder}: {name} is {found[name]}, and {CONFIG} says {shape}")
    encoder, decoder = tensors["W_enc"].float().T, tensors["W_dec"].float()
    # Such a file counts codes in units of the decoder's norms.
    scaled = kind == "topk" and bool(config.get("rescale_acts_by_decoder_norm"))
    scale = decoder.norm(dim=1) if scaled else torch.ones(len(decoder))
    tied = not scaled and bool(torch.equal(encoder, decoder))
    made = Autoencoder(int(str(channels)), int(str(units)), kinds[kind], tied=tied, k=int(config.get("k", 0)))
    bias = tensors["b_enc"].float()
    if not config.get("apply_b_dec_to_input", True):
        # Here the pre-bias is always taken off; the bias gives it back.
        bias = bias + encoder @ tensors["b_dec"].float()
    with torch.no_grad():
        made.encoder.copy_(encoder * scale[:, None])
        made.bias.copy_(bias * scale)
        made.centre.copy_(tensors["b_dec"].float())
        if made.decoder is not None:
            made.decoder.copy_(decoder / scale[:, None])
        if kind == "jumprelu":
            made.threshold.copy_(tensors["threshold"].float())
    return made

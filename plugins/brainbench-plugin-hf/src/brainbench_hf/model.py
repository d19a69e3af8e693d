"""Image networks of transformers: built from their configuration, loaded strictly, read after each layer."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.utils import logging as reports

from brainbench import (
    Backbone,
    ModuleBackbone,
    Tokens,
    UsageError,
    Weights,
    WeightsError,
    load_state,
    load_strict,
    seeded,
    square,
)
from brainbench_hf.files import CONFIG, PREPROCESSOR, cached_config, read_json, weight_files

PAPER_SIZE = 224
# How transformers calls its lists of layers or stages.
LISTS = ("layer", "layers", "blocks", "stages")
# What stands before the patches in a sequence, the class token first.
CLASS_TOKENS = ("cls_token", "class_embedding", "class_token")
PREFIX = (*CLASS_TOKENS, "distillation_token", "register_tokens")
# What stands after them.
SUFFIX = ("detection_tokens",)
# Modules behind the layers, which may have tokens of their own.
BEHIND = ("head", "pooler", "decoder")
# Heads of the networks that a file may be for, which are not read, and what such a file may do without.
HEADS = ("classifier.", "cls_classifier.", "distillation_classifier.", "decoder.", "lm_head.", "head.", "pooler.")
UNREAD = ("pooler.", "vision_model.head.", "embeddings.mask_token")


def load(*, name: str, where: str, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The network ``hf/<where>``, a repository of the hub or a folder, with the weights that were asked for.

    Pictures are squashed and normalised by ImageNet's statistics (paper) or the network's own (native). Raises UsageError for a
    network whose layers cannot be read, WeightsError if files are missing or do not fit.
    """
    folder = _folder(name, where, weights)
    config = configuration(name, folder)
    files = [] if weights.kind == "untrained" else weight_files(weights.path or folder)
    if weights.kind != "untrained" and not files:
        raise WeightsError(
            f"{name}: no model.safetensors in {weights.path or folder}; ask for {name}@untrained without"
        )
    with seeded(settings["init_seed"]), quiet():
        network = _loaded(config, files, f"{name} ({weights.path or folder})") if files else built(name, config)
    tower = vision_tower(name, network).eval().requires_grad_(False)
    preprocess = _preprocessing(name, tower.config, folder, settings["preproc"])
    return reading(name, tower, preprocess)


def reading(name: str, tower: Any, preprocess: Callable[[Image.Image], Tensor]) -> ModuleBackbone:
    """The backbone that reads a network's layers."""
    if tower.config.model_type == "vit_mae":
        _unshuffled(tower)
    layers = {f"layer{i + 1}": path for i, path in enumerate(layer_paths(name, tower))}
    return ModuleBackbone(tower, layers, preprocess, read=partial(_read, name=name, tower=tower))


def configuration(name: str, folder: Path) -> Any:
    """The configuration in a folder; raises UsageError where it needs code of its own or is not known to transformers."""
    facts = read_json(folder / CONFIG)
    if "auto_map" in facts:
        raise UsageError(
            f"{name}: its {CONFIG} asks for code of its own (auto_map), which is never run; choose another"
        )
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (ValueError, KeyError, OSError, TypeError) as error:
        raise UsageError(f"{name}: transformers cannot read {folder / CONFIG} ({first_line(error)})") from None


def vision_tower(name: str, network: Any) -> Any:
    """The image half of a network for images and text, or the network itself; raises UsageError if it takes no images."""
    tower = getattr(network, "vision_model", network)
    if tower.main_input_name != "pixel_values":
        raise UsageError(
            f"{name}: {type(network).__name__} takes {tower.main_input_name}, no images; choose another network"
        )
    return tower


def layer_paths(name: str, tower: nn.Module) -> list[str]:
    """Paths of the layers, or stages, of a network: the elements of its outermost list of them."""
    for path, module in tower.named_modules():
        if isinstance(module, nn.ModuleList) and path.rpartition(".")[2] in LISTS and len(module):
            return [f"{path}.{i}" for i in range(len(module))]
    raise UsageError(
        f"{name}: {type(tower).__name__} has no list of layers ({', '.join(LISTS)}); choose another network"
    )


def prefix_tokens(tower: nn.Module) -> int:
    """How many tokens stand before the patches: class token, distillation token, registers."""
    return _counted(tower, PREFIX)


def _counted(tower: nn.Module, names: Collection[str]) -> int:
    found = [
        parameter
        for path, parameter in tower.named_parameters()
        if path.rpartition(".")[2] in names and not {*path.split(".")} & {*BEHIND}
    ]
    return sum(parameter.shape[-2] if parameter.ndim > 1 else 1 for parameter in found)


def _read(output: Tensor, layer: str, *, name: str, tower: Any) -> Tokens:
    """One layer's output: [B, P + g*g + S, C], or [B, C, H, W] of a convolutional network."""
    if output.ndim == 4 and (maps := _maps(output, getattr(tower.config, "hidden_sizes", None) or ())) is not None:
        return Tokens.from_local([maps])
    prefix, suffix = prefix_tokens(tower), _counted(tower, SUFFIX)
    if suffix and output.ndim == 3:
        output = output[:, : output.shape[1] - suffix]
    side = math.isqrt(max(output.shape[1] - prefix, 0)) if output.ndim == 3 else 0
    if not side or output.shape[1] != prefix + side * side:
        raise UsageError(
            f"{name}: {layer} of {type(tower).__name__} gives {list(output.shape)}, expected [B, C, H, W] or"
            f" [B, {prefix} + g*g, C]; choose another network"
        )
    has_class = _counted(tower, CLASS_TOKENS) > 0
    # Registers alone stand for nothing: the global token is then the average over space.
    return Tokens.from_sequences([output if has_class else output[:, prefix:]], (side, side))


def _maps(output: Tensor, widths: Collection[int]) -> Tensor | None:
    """[B, C, H, W] of a network's maps, which are squares as its pictures are; None where the channels may be either axis."""
    first, second, third = output.shape[1:]
    if second == third and (first != second or first in widths):
        return output
    return output.permute(0, 3, 1, 2) if first == second != third else None


def _folder(name: str, where: str, weights: Weights) -> Path:
    """Where the configuration lies: in the given folder, or that of the card, or in the cache of the hub."""
    if weights.path is not None and (weights.path / CONFIG).is_file():
        return weights.path
    if where.startswith(("/", ".", "~")):
        return Path(where).expanduser()
    config = cached_config(where)
    if config is None:
        raise WeightsError(
            f"{name}: {CONFIG} of huggingface.co/{where} is not cached and could not be downloaded; run"
            f" `hf download {where}` where there is a network, or name a folder: hf//absolute/folder"
        )
    return config.parent


def built(name: str, config: Any) -> Any:
    """The network of a configuration, as transformers initialises it; raises UsageError where it has none."""
    auto: Any = AutoModel  # without types
    try:
        return auto.from_config(config, trust_remote_code=False, dtype=torch.float32)
    except (ValueError, KeyError, ImportError) as error:
        raise UsageError(f"{name}: transformers has no network for {config.model_type} ({first_line(error)})") from None


def _loaded(config: Any, files: Collection[Path], what: str) -> Any:
    """The network with the weights of the files, their names brought by transformers to those of today."""
    state: dict[str, Tensor] = {}
    for file in files:
        state |= load_state(file)
    with torch.device("meta"):
        kind = type(built(what, config))
    try:
        network, report = kind.from_pretrained(
            None,
            config=config,
            state_dict=state,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    # transformers converts the names of many releases, and a file of another network may break each in its own way.
    except Exception as error:
        raise WeightsError(
            f"the weights do not fit {what}; {first_line(error)}; give the file of this very network"
        ) from None
    problems = {
        "missing": [key for key in report["missing_keys"] if not key.startswith(UNREAD)],
        "unexpected": [key for key in report["unexpected_keys"] if not key.startswith(HEADS)],
        "wrong shape": [key if isinstance(key, str) else key[0] for key in report["mismatched_keys"]],
    }
    texts = [f"{kind}: {', '.join(sorted(keys)[:3])}" for kind, keys in problems.items() if keys]
    if texts:
        raise WeightsError(f"the weights do not fit {what}; {'; '.join(texts)}; give the file of this very network")
    # transformers compared names and shapes; NaN remains to be looked for.
    load_strict(network, network.state_dict(), what=what)
    return network


def _unshuffled(tower: Any) -> None:
    """A masked autoencoder sorts patches by noise, also when it hides none: ascending noise keeps them in order."""
    tower.config.mask_ratio = 0.0

    def ordered(_module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        pixels = inputs[0]
        noise = torch.arange(tower.embeddings.patch_embeddings.num_patches, device=pixels.device, dtype=torch.float32)
        return inputs, options | {"noise": noise.expand(len(pixels), -1)}

    tower.register_forward_pre_hook(ordered, with_kwargs=True)


def _preprocessing(name: str, config: Any, folder: Path, preproc: str) -> partial[Tensor]:
    """Squash to the network's size with ImageNet's statistics, or to its processor's with its own; 224 px if any size will do."""
    fixed, any_size = _sizes(config)
    if preproc == "paper":
        return partial(square, size=paper_size(config))
    path = folder / PREPROCESSOR
    facts = read_json(path) if path.is_file() else {}
    if "image_mean" not in facts or "image_std" not in facts:
        raise WeightsError(f"{name}: preproc=native needs image_mean and image_std in {path}; choose preproc=paper")
    shown = facts.get("crop_size") or facts.get("size") or {}
    own = (shown.get("height") or shown.get("shortest_edge")) if isinstance(shown, dict) else shown
    size = (own or fixed or PAPER_SIZE) if any_size else (fixed or own or PAPER_SIZE)
    return partial(square, size=int(size), mean=facts["image_mean"], std=facts["image_std"])


def paper_size(config: Any) -> int:
    """Pixels a side for preproc=paper: the network's own size, or 224 where any will do."""
    fixed, any_size = _sizes(config)
    return PAPER_SIZE if any_size or not fixed else int(fixed)


def _sizes(config: Any) -> tuple[Any, bool]:
    """(the size that a configuration gives, whether the network takes any)."""
    fixed = getattr(config, "image_size", None)
    fixed = fixed[0] if isinstance(fixed, list | tuple) else fixed
    return fixed, hasattr(config, "hidden_sizes") or config.model_type.startswith("dinov2")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from reporting what it loads, with progress bars; what matters of it is raised here."""
    report: Any = reports  # partly without types
    level, bars = report.get_verbosity(), report.is_progress_bar_enabled()
    report.set_verbosity(logging.CRITICAL)
    report.disable_progress_bar()
    try:
        yield
    finally:
        report.set_verbosity(level)
        if bars:
            report.enable_progress_bar()


def first_line(error: Exception) -> str:
    """The first line of what an exception says."""
    return ((str(error) or type(error).__name__).splitlines()[0])[:200]

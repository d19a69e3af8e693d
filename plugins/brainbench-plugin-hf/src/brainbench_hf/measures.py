"""What a network of transformers has, found out without its weights: layers, channels, parameters, the size of its input."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from brainbench import UsageError, square
from brainbench_hf import model
from brainbench_hf.files import CONFIG


def measures(name: str, folder: Path) -> Mapping[str, Any]:
    """The fields of a card that a configuration decides.

    Raises UsageError for a network whose layers cannot be read, and WeightsError for a damaged configuration.
    """
    state = (folder / CONFIG).stat()
    return _measures(name, folder, state.st_mtime_ns, state.st_size)


@lru_cache
def _measures(name: str, folder: Path, *_state: int) -> Mapping[str, Any]:
    config = model.configuration(name, folder)
    with model.quiet(), torch.device("meta"):
        tower = model.vision_tower(name, model.built(name, config)).eval()
        size = model.paper_size(tower.config)
        backbone = model.reading(name, tower, partial(square, size=size))
        facts = {"layers": len(backbone.layers), "input_size": size, "parameters": _count(tower)}
        try:
            tokens = backbone.tokens(torch.zeros(1, 3, size, size))
        except UsageError as error:
            text = str(error)
            raise UsageError(text if text.startswith(name) else f"{name}: {text}; choose another network") from None
        # Some operations are impossible without values; a run shows what the network gives.
        except (NotImplementedError, RuntimeError):
            return facts
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            raise UsageError(
                f"{name}: {type(tower).__name__} does not run on images alone ({model.first_line(error)}); choose another network"
            ) from None
    side = tokens.local_tokens[-1].shape[-1]
    patch = size // side if len({local.shape for local in tokens.local_tokens}) == 1 else None
    return facts | {"width": max(glob.shape[1] for glob in tokens.global_tokens), "patch": patch}


def _count(tower: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in tower.parameters())

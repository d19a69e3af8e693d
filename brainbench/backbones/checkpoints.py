"""Checkpoints: read without executing code in them, loaded strictly, hashed."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from brainbench.errors import WeightsError

# Keys under which training scripts store the weights, in a checkpoint that also contains an optimizer and so on.
_WRAPPERS = ("state_dict", "model")


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Read the state dict in a file: safetensors, or a torch file that holds nothing but tensors and plain containers.

    The format is told by content, not by suffix. A training checkpoint is opened at its ``state_dict`` or ``model`` entry.
    Tensors are on the CPU, names and dtypes as they are in the file. Raises WeightsError for a file that is missing, damaged or
    TorchScript, or that would have to run code to be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be opened ({error.strerror}); name a safetensors or torch file") from None
    content = _read_safetensors(path) if head[8:] == b"{" else _read_torch(path)
    return _tensors(content, path)


def _read_safetensors(path: Path) -> Any:
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:
        raise _unreadable(path, "safetensors", error, "download it again") from None


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    # The unpickler of a damaged or hostile file can fail in any way; none of our code runs inside it.
    except Exception as error:
        advice = "download it again, or save its state dict with safetensors.torch.save_file"
        raise _unreadable(path, "tensors-only torch", error, advice) from None


def _unreadable(path: Path, kind: str, error: Exception, advice: str) -> WeightsError:
    first_sentence = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0][:160]
    return WeightsError(f"{path}: not a {kind} file that can be read ({first_sentence}); {advice}")


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    for name in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: holds {type(content).__name__}, expected a state dict: tensors by name")
    strangers = [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    if strangers:
        raise WeightsError(f"{path}: expected a state dict: tensors by name; not tensors: {_first(strangers)}")
    return {str(name): value for name, value in content.items()}


def load_strict(module: nn.Module, state: Mapping[str, Tensor], *, drop: Collection[str] = (), what: str = "") -> None:
    """Load ``state`` into ``module``; every name and shape has to fit.

    A module on torch's meta device takes over the tensors themselves; into any other their values are copied.
    drop: names that belong to parts the module does not have; one that ends in a dot drops all below it. what: the checkpoint
    or network as the message shall name it (default: the module's class). Raises WeightsError for names or shapes that do not fit
    and for weights that are NaN.
    """
    what = what or type(module).__name__
    wanted = {name: value for name, value in state.items() if not _dropped(name, drop)}
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    wrong = [
        f"{name} is {_by(value.shape)}, not {_by(shapes[name])}"
        for name, value in wanted.items()
        if name in shapes and value.shape != shapes[name]
    ]
    fitting = {name: value for name, value in wanted.items() if name not in shapes or value.shape == shapes[name]}
    missing, unexpected, mismatched = _fill(module, fitting)
    problems = [
        f"{kind}: {_first(names)}"
        for kind, names in (
            ("missing", [name for name in missing if name not in wanted]),
            ("unexpected", unexpected),
            ("wrong shape", wrong + mismatched),
        )
        if names
    ]
    if problems:
        raise WeightsError(f"the weights do not fit {what}; {'; '.join(problems)}; give the file of this very network")
    broken = [name for name, value in wanted.items() if value.is_floating_point() and bool(value.isnan().any())]
    if broken:
        raise WeightsError(f"the weights for {what} hold NaN in {_first(broken)}; download the file again")


def _fill(module: nn.Module, state: Mapping[str, Tensor]) -> tuple[list[str], list[str], list[str]]:
    own = module.state_dict()
    empty = any(value.is_meta for value in own.values())
    if empty:
        # Taken as they are in memory, in the network's own types: what would be copied over does not exist yet.
        state = {name: value.to(own[name].dtype) if name in own else value for name, value in state.items()}
    # torch compares the names, because modules may rename the keys of their older releases while loading.
    try:
        result = module.load_state_dict(state, strict=False, assign=empty)
    except RuntimeError as error:
        return [], [], [line.strip() for line in str(error).splitlines()[1:]]
    return result.missing_keys, result.unexpected_keys, []


def _dropped(name: str, drop: Iterable[str]) -> bool:
    return any(name == other or (other.endswith(".") and name.startswith(other)) for other in drop)


def _first(names: Collection[str], count: int = 3) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(list(names)[:count]) + more


def _by(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a scalar"


def state_sha256(module: nn.Module) -> str:
    """Return the sha256 over the names, dtypes, shapes and bytes of a module's state dict, whatever their order or device."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

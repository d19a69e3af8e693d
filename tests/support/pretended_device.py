"""A pretended GPU: real numbers in the machine's own memory that obey the rules of tensors on ``cuda``.

A tensor is on the device when its storage is marked. Whatever an operation makes of device tensors is on the device; an
operation on tensors of both kinds, and ``numpy()`` of a device tensor, are refused as torch refuses them; every look of the host
at a device tensor is counted. So a whole fit runs as on a GPU, backward pass and optimiser included, where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_CPU, _CUDA = torch.device("cpu"), torch.device("cuda", 0)
_ATEN = torch.ops.aten
# They copy between devices, or take indices from the CPU.
_MIXED = {_ATEN.copy_, _ATEN._to_copy, _ATEN.index, _ATEN.index_put, _ATEN.index_put_, _ATEN._index_put_impl_}
# Their result's shape or value must be known to the host.
_WAITING = {
    _ATEN._local_scalar_dense, _ATEN.nonzero, _ATEN.unique_consecutive, _ATEN._unique2, _ATEN.masked_select, _ATEN.equal,
}  # fmt: skip


class PretendedDevice(TorchDispatchMode):
    """The rules. waits: how often the host had to wait for the device so far."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0
        # Held for as long as the rules are: the address of a freed storage would come back as another tensor's.
        self._storages: dict[int, torch.UntypedStorage] = {}

    def holds(self, tensor: Tensor) -> bool:
        """Whether the tensor is on the device."""
        return tensor.untyped_storage()._cdata in self._storages

    def taken(self, tensor: Tensor) -> Tensor:
        """The tensor, from now on on the device."""
        storage = tensor.untyped_storage()
        self._storages[storage._cdata] = storage
        return tensor

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        held = [self.holds(tensor) for tensor in given]
        alone = all(on or not tensor.dim() for tensor, on in zip(given, held, strict=True))
        if any(held) and not alone and func.overloadpacket not in _MIXED:
            raise RuntimeError(f"{func}: Expected all tensors to be on the same device, found cuda:0 and cpu")
        self.waits += any(held) and _waits(func, given)
        place = kwargs.get("device")
        on_device = any(held) if place is None else torch.device(place).type == "cuda"
        if place is not None:
            kwargs["device"] = _CPU
        inputs = {tensor.untyped_storage()._cdata for tensor in given}
        result = func(*args, **kwargs)
        for made in tree_leaves(result):
            if on_device and isinstance(made, Tensor) and made.untyped_storage()._cdata not in inputs:
                self.taken(made)
        return result


def _waits(func: Any, given: list[Tensor]) -> bool:
    if func.overloadpacket in (_ATEN.index, _ATEN.index_put, _ATEN.index_put_):
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in given[1:])
    return func.overloadpacket in _WAITING


@contextmanager
def pretended_device(patch: pytest.MonkeyPatch, memory: int = 1 << 34) -> Iterator[PretendedDevice]:
    """``cuda`` is a device of so many bytes while the block lasts."""
    mode = PretendedDevice()
    base = torch._C.TensorBase
    to, numpy = base.to, base.numpy

    def moved(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if args and isinstance(args[0], Tensor):
            return moved(tensor, args[0].device, args[0].dtype)
        place, dtype, *_ = torch._C._nn._parse_to(*args, **kwargs)
        if place is None or (place.type == "cuda") == mode.holds(tensor):
            return tensor if dtype is None else to(tensor, dtype)
        mode.waits += place.type == "cpu"
        moving: Tensor = _ATEN._to_copy(tensor, device=place, dtype=dtype)
        return moving

    def as_numpy(tensor: Tensor, *, force: bool = False) -> Any:
        if not mode.holds(tensor):
            return numpy(tensor, force=force)
        if not force:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        return numpy(moved(tensor, "cpu"), force=True)

    def on_cpu_first(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def made(data: Any, *, dtype: Any = None, device: Any = None, **kwargs: Any) -> Tensor:
            stays = device is None and isinstance(data, Tensor) and make is torch.as_tensor
            tensor = data.to(dtype or data.dtype) if stays else make(data, dtype=dtype, **kwargs)
            return tensor if device is None else tensor.to(device)

        return made

    def attribute(name: str, value: Callable[[Tensor], Any]) -> None:
        patch.setattr(torch.Tensor, name, property(value), raising=False)

    with patch.context() as inside, mode:
        patch = inside
        attribute("device", lambda tensor: _CUDA if mode.holds(tensor) else _CPU)
        attribute("is_cuda", mode.holds)
        attribute("is_cpu", lambda tensor: not mode.holds(tensor))
        patch.setattr(torch.Tensor, "to", moved, raising=False)
        patch.setattr(torch.Tensor, "cpu", lambda tensor: moved(tensor, "cpu"), raising=False)
        patch.setattr(torch.Tensor, "numpy", as_numpy, raising=False)
        for make in (torch.tensor, torch.as_tensor):
            patch.setattr(torch, make.__name__, on_cpu_first(make))
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "is_available", lambda: True)
        # Optimisers ask whether a graph is being captured: newer ones the first, older ones the second.
        patch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: None)
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
        # The one generator there is serves both.
        patch.setattr(torch.cuda, "get_rng_state", lambda _: torch.get_rng_state())
        patch.setattr(torch.cuda, "set_rng_state", lambda state, _: None)
        patch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=memory))
        yield mode

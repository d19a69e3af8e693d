"""AdamW (Loshchilov and Hutter 2019) by torch's own kernel: its class loads torch's compiler first, which takes four seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.adamw import adamw

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class AdamW:
    """The optimiser of groups of parameters.

    groups: each learns at a rate of its own; weight_decay: decoupled, as a share of the learning rate. What it knows of a
    parameter is in ``state``, by the parameter's number over all groups.
    """

    def __init__(self, groups: Sequence[Sequence[Parameter]], weight_decay: float) -> None:
        self.groups, self.weight_decay = [list(group) for group in groups], weight_decay
        self.state: dict[int, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in (p for group in self.groups for p in group):
            parameter.grad = None

    @torch.no_grad()
    def step(self, rates: Sequence[float]) -> None:
        """Move every parameter that has a gradient; rates: the learning rate of each group."""
        first = 0
        for group, rate in zip(self.groups, rates, strict=True):
            moving = [(number, p) for number, p in enumerate(group, first) if p.grad is not None]
            first += len(group)
            if moving:
                known = [self._known(number, parameter) for number, parameter in moving]
                averages, squares, steps = ([k[name] for k in known] for name in _MOMENTS)
                adamw(
                    [parameter for _, parameter in moving],
                    [parameter.grad for _, parameter in moving if parameter.grad is not None],
                    averages,
                    squares,
                    [],
                    steps,
                    fused=True,
                    amsgrad=False,
                    beta1=0.9,
                    beta2=0.999,
                    lr=rate,
                    weight_decay=self.weight_decay,
                    eps=1e-8,
                    maximize=False,
                )

    def restore(self, state: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Go on from a ``state`` kept before."""
        parameters = [p for group in self.groups for p in group]
        self.state = {
            number: {name: tensor.to(parameters[number].device) for name, tensor in known.items()}
            for number, known in state.items()
        }

    def _known(self, number: int, parameter: Parameter) -> dict[str, Tensor]:
        if number not in self.state:
            zeros = (torch.zeros_like(parameter), torch.zeros_like(parameter), torch.zeros((), device=parameter.device))
            self.state[number] = dict(zip(_MOMENTS, zeros, strict=True))
        return self.state[number]

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from brainbench.fitting.adamw import AdamW

RATES = [(0.1, 0.03), (0.05, 0.05), (0.2, 0.0)]


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in ((3, 4), (5,), (2, 2))]


def losses(given: list[nn.Parameter], step: int) -> Tensor:
    # The second parameter has no gradient at the first step.
    return given[0].square().sum() + (given[2] + 1).square().sum() + (given[1].exp().sum() if step else 0)


def moved(ours: list[nn.Parameter], optimiser: AdamW, steps: range) -> None:
    for step in steps:
        optimiser.zero_grad()
        losses(ours, step).backward()  # type: ignore[no-untyped-call]
        optimiser.step(RATES[step])


def test_it_is_torch_s_adamw_and_goes_on_from_a_kept_state() -> None:
    theirs = [nn.Parameter(p.detach().double()) for p in parameters()]
    reference = torch.optim.AdamW(
        [{"params": theirs[:2]}, {"params": theirs[2:]}], weight_decay=0.3, foreach=False, fused=False
    )
    for step, rates in enumerate(RATES):
        for group, rate in zip(reference.param_groups, rates, strict=True):
            group["lr"] = rate
        reference.zero_grad()
        losses(theirs, step).backward()  # type: ignore[no-untyped-call]
        reference.step()

    ours = parameters()
    whole = AdamW([ours[:2], ours[2:]], 0.3)
    moved(ours, whole, range(3))
    for parameter, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(parameter.double(), expected, atol=1e-6, rtol=1e-5)

    again = parameters()
    before, after = (AdamW([again[:2], again[2:]], 0.3) for _ in range(2))
    moved(again, before, range(2))
    after.restore(before.state)
    moved(again, after, range(2, 3))
    for parameter, expected in zip(again, ours, strict=True):
        assert torch.equal(parameter, expected)


@pytest.mark.slow
def test_a_step_does_not_load_a_compiler() -> None:
    program = """
import sys, torch
from brainbench.fitting.adamw import AdamW
weight = torch.nn.Parameter(torch.ones(3))
weight.sum().backward()
AdamW([[weight]], 0.1).step([0.1])
assert float(weight[0]) < 1
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""What a training step of every encoder costs: the table of appendix F.1 (Table 16), measured again.

python benchmarks/encoder_cost.py --scale demo|paper [--batch N] [--rounds N] [--only factortopy,gnetvit] [--device cuda] [--json]

A step: gradients to zero, the model's own loss (recipe ``paper``), backward, AdamW, on tokens and responses that lie in memory.
All take their steps in turn, in one process. Memory is what each takes above its data in a process of its own, or of the GPU.
Multiply-adds are those of matrix products, counted while torch predicts a batch, for one image. ``gnetvit/naive`` is GNetViT as
it is written down, with the pooled tokens of every layer, [L, B, V, D], in full; ours is compared with it in float64.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from measure import in_a_process, interleaved, machine, peak_gb
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from brainbench.builtin.encoders.classtoken import ClassTokenModel
from brainbench.builtin.encoders.factortopy import VARIANTS, FactorTopyModel
from brainbench.builtin.encoders.gnetvit import GNetViTModel
from brainbench.builtin.encoders.patchtoken import PatchTokenModel
from brainbench.fitting import PAPER, EncoderModel

GRID = (8, 8)
PLACES = GRID[0] * GRID[1]
LOCAL, GLOBAL, BOTH = slice(PLACES), slice(PLACES, PLACES + 1), slice(PLACES + 1)
OURS, NAIVE = "gnetvit", "gnetvit/naive"


@dataclass(frozen=True)
class Scale:
    """Sizes of a step."""

    voxels: int
    layers: int
    channels: int
    dim: int
    batch: int


SCALES = {"demo": Scale(3000, 12, 192, 64, 32), "paper": Scale(37_984, 12, 768, 128, 8)}


@dataclass(frozen=True)
class Method:
    """An encoder of the table. reads: its places of the tokens; paper: its time and MACs in Table 16, in classToken's."""

    make: Callable[[Scale, Generator], EncoderModel]
    reads: slice
    paper: tuple[float, float] | None = None


class NaiveGNetViT(GNetViTModel):
    """GNetViT layer by layer, and autograd for the rest."""

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, H*W, C_l] -> responses [B, V]."""
        aligned = self.align(tokens)
        pooled = torch.einsum("vlp,lbpd->lbvd", self.fields.unflatten(1, (len(aligned), PLACES)), aligned)
        return (pooled.sum(dim=0) * self.channel).sum(dim=2) + self.constant

    loss = EncoderModel.loss


def classtoken(scale: Scale, generator: Generator) -> EncoderModel:
    """As a fit starts."""
    return ClassTokenModel([scale.channels] * scale.layers, scale.voxels, replace(PAPER, dim=scale.dim), generator)


def pooling(made: Callable[..., EncoderModel], scale: Scale, generator: Generator) -> EncoderModel:
    """An encoder that is told how many places there are, as a fit starts."""
    recipe = replace(PAPER, dim=scale.dim)
    return made([scale.channels] * scale.layers, PLACES, scale.voxels, recipe, generator)


def factortopy(variant: str, scale: Scale, generator: Generator) -> EncoderModel:
    """A variant of FactorTopy whose voxels read all over the image, as they do once a fit has gone on for a while."""
    channels, recipe, chosen = [scale.channels] * scale.layers, replace(PAPER, dim=scale.dim), VARIANTS[variant]
    coordinates = torch.randn(scale.voxels, 3, generator=generator) * 40 if chosen.topology else None
    model = FactorTopyModel(channels, GRID, scale.voxels, coordinates, recipe, generator, chosen)
    with torch.no_grad():
        if "space" not in chosen.selectors:
            return model
        if not chosen.topology:
            # A twentieth of what it is to be: free selectors are multiplied by 20.
            model.selectors.space.normal_(std=0.9 / 20, generator=generator)
            return model
        # tanh of a normal variable of deviation 0.9 is about uniform.
        last = model.selectors.space[-1].weight.normal_(generator=generator)
        last *= 0.9 / model.selectors.space(model.selectors.codes, model.selectors.basis).std()
    return model


METHODS: Mapping[str, Method] = {
    "classtoken": Method(classtoken, GLOBAL, (1, 1)),
    "patchtoken": Method(partial(pooling, PatchTokenModel), LOCAL, (1, 1)),
    "factortopy": Method(partial(factortopy, "factortopy"), BOTH, (3, 1.2)),
    OURS: Method(partial(pooling, GNetViTModel), LOCAL, (94, 17)),
    NAIVE: Method(partial(pooling, NaiveGNetViT), LOCAL),
    **{
        name: Method(partial(factortopy, name), BOTH, paper)
        for name, paper in {
            "factortopy/no-topology": (3, 1.4),
            "factortopy/no-layer": (3, 1.2),
            "factortopy/no-space": (3, 1.2),
            "factortopy/no-scale": (3, 1.2),
            "factortopy/multi-sample": (7, 1.6),
        }.items()
    },
}


def data_of(name: str, scale: Scale) -> tuple[list[Tensor], Tensor]:
    """Tokens that the encoder reads, per layer [B, P, C], and responses [B, V]."""
    generator = torch.Generator().manual_seed(1)
    reads = METHODS[name].reads
    size = (scale.batch, reads.stop - (reads.start or 0), scale.channels)
    tokens = [torch.randn(size, generator=generator) for _ in range(scale.layers)]
    return tokens, torch.randn(scale.batch, scale.voxels, generator=generator)


def model_of(name: str, scale: Scale) -> EncoderModel:
    """The encoder's model, of one seed."""
    return METHODS[name].make(scale, torch.Generator().manual_seed(0))


def step_of(name: str, scale: Scale, device: str) -> tuple[Callable[[], Tensor], float]:
    """(a training step, ready to be run again and again; gigabytes of its data)."""
    model, (tokens, observed) = model_of(name, scale).to(device), data_of(name, scale)
    tokens, observed = [t.to(device) for t in tokens], observed.to(device)
    # At a rate of zero AdamW does all its arithmetic, and the voxels stay where they read.
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.0, fused=True)

    def step() -> Tensor:
        optimiser.zero_grad()
        loss = model.loss(tokens, observed, PAPER.penalty)
        loss.backward()
        optimiser.step()
        return loss

    return step, sum(t.nbytes for t in (*tokens, observed)) / 2**30


def extra_gb(name: str, scale: Scale, device: str) -> float:
    """Memory that a step takes above its data: parameters, their gradients, AdamW's moments and all that is made on the way.

    To be called in a process of its own.
    """
    step_of(name, replace(scale, voxels=64, batch=1), device)[0]()  # libraries loaded, threads started
    gc.collect()
    before = peak_gb(device)
    step, data = step_of(name, scale, device)
    for _ in range(3):
        step()
    return peak_gb(device) - before - data


def multiply_adds(name: str, scale: Scale) -> float:
    """Multiply-adds for one image, when a batch is predicted: what does not depend on images is shared by the batch."""

    def added_in_place(_: Sequence[int], a: Sequence[int], b: Sequence[int], **__: Any) -> int:
        return 2 * a[0] * a[1] * b[1]

    # torch's own table leaves these out.
    more = {torch.ops.aten.addmm_: added_in_place}
    model, (tokens, _) = model_of(name, scale), data_of(name, scale)
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=more) as counter:
        model(tokens)
    return counter.get_total_flops() / 2 / scale.batch


def largest_difference(scale: Scale, device: str) -> float:
    """Ours beside naive GNetViT in float64, over the loss and every gradient, as a share of each tensor's largest."""
    small = replace(scale, voxels=min(scale.voxels, 1000))
    ours, naive = model_of(OURS, small).to(device), model_of(NAIVE, small).double()
    tokens, observed = data_of(OURS, small)
    a = ours.loss([t.to(device) for t in tokens], observed.to(device), 0.0)
    b = naive.loss([t.double() for t in tokens], observed.double(), 0.0)
    a.backward()
    b.backward()
    pairs: list[tuple[Any, Any]] = [(a.detach(), b.detach())]
    pairs += [(p.grad, q.grad) for p, q in zip(ours.parameters(), naive.parameters(), strict=True)]
    return max(float((p.cpu() - q).abs().max() / q.abs().max()) for p, q in pairs)


def report(scale: Scale, names: Sequence[str], rounds: int, device: str) -> dict[str, Any]:
    """A row for every encoder, and what ours saves beside the naive form."""
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        arguments = json.dumps([name, asdict(scale)])
        rows[name] = {
            "extra_gb": float(in_a_process(__file__, "--device", device, "--memory", arguments)),
            "parameters": sum(p.numel() for p in model_of(name, scale).parameters()),
            "multiply_adds": multiply_adds(name, scale),
        }
    times = interleaved({name: step_of(name, scale, device)[0] for name in names}, rounds, device)
    clock = "wall_ms" if device == "cuda" else "cpu_ms"
    first = times["classtoken"][clock]
    for name, row in rows.items():
        row |= {**times[name], "ratio_to_classtoken": times[name][clock] / first}
        row["multiply_adds_ratio"] = row["multiply_adds"] / rows["classtoken"]["multiply_adds"]
        row["paper"] = dict(zip(("time", "multiply_adds"), METHODS[name].paper or (None, None), strict=True))
    result = {"scale": asdict(scale), "device": device, **machine(), "encoders": rows}
    if {OURS, NAIVE} <= rows.keys():
        result["gnetvit_ratio_to_naive"] = times[NAIVE][clock] / times[OURS][clock]
        result["gnetvit_max_relative_difference"] = largest_difference(scale, device)
    return result


def table(result: Mapping[str, Any]) -> str:
    """For people."""
    lines = [
        f"{result['gpu'] or result['processor']}, {result['threads']} threads, torch {result['torch']}",
        "",
        f"{'':24}{'CPU ms':>9}{'wall ms':>9}{'time':>8}{'paper':>7}{'extra GB':>10}{'parameters':>13}"
        f"{'M mult-adds':>13}{'ratio':>8}{'paper':>7}",
    ]
    for name, row in result["encoders"].items():
        time, macs = (f"x{x:g}" if x else "-" for x in row["paper"].values())
        lines.append(
            f"{name:24}{row['cpu_ms']:9.1f}{row['wall_ms']:9.1f}{'x' + format(row['ratio_to_classtoken'], '.1f'):>8}{time:>7}"
            f"{row['extra_gb']:10.2f}{row['parameters']:13,}{row['multiply_adds'] / 1e6:13,.1f}"
            f"{'x' + format(row['multiply_adds_ratio'], '.1f'):>8}{macs:>7}"
        )
    if "gnetvit_ratio_to_naive" in result:
        lines += ["", f"gnetvit is {result['gnetvit_ratio_to_naive']:.2f} times faster than written down naively"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="demo")
    parser.add_argument("--batch", type=int, help="images in a batch, instead of the scale's own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="comma list of encoders to set beside classtoken, instead of all")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        name, sizes = json.loads(options.memory)
        print(extra_gb(name, Scale(**sizes), options.device))
        return
    wanted = set(options.only.split(",")) if options.only else set(METHODS)
    if unknown := wanted - METHODS.keys():
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}; choose from {', '.join(METHODS)}")
    scale = replace(SCALES[options.scale], **({"batch": options.batch} if options.batch else {}))
    names = [name for name in METHODS if name in wanted | {"classtoken"}]
    result = report(scale, names, options.rounds, options.device)
    print(json.dumps(result, indent=2) if options.json else table(result))


if __name__ == "__main__":
    main()

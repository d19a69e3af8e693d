"""One training step of FactorTopy: ours beside Listing 1 taken literally and beside a grid_sample call per layer.

python benchmarks/encoder_step.py --scale demo|paper [--batch N] [--rounds N] [--only ours,loop] [--device cuda] [--json]
python benchmarks/encoder_step.py --scale demo --sweep voxels|images|layers|batch

A step: gradients to zero, selectors, channel align, contraction, smooth L1, entropy term, backward, AdamW. All run the same
mathematics on the same parameters, in turn, in one process; memory is measured in a process for each. On a GPU the first
lines compare its loss and gradients with the CPU's.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from measure import in_a_process, interleaved, machine, peak_gb
from torch import Tensor

from brainbench.builtin.encoders.factortopy import FactorTopyModel
from brainbench.fitting import PAPER, entropy_penalty, smooth_l1

GRID = (8, 8)


@dataclass(frozen=True)
class Scale:
    """Sizes of a step: voxels, layers, channels, aligned channels, images in a batch, and how many images are on disk."""

    voxels: int
    layers: int
    channels: int
    dim: int
    batch: int


SCALES = {"demo": Scale(3000, 12, 192, 64, 32), "paper": Scale(37_984, 12, 768, 128, 8)}
SWEEPS = {
    "voxels": [("voxels", n) for n in (1000, 3000, 10_000, 30_000)],
    "layers": [("layers", n) for n in (1, 6, 12, 24)],
    "batch": [("batch", n) for n in (1, 8, 32, 128)],
}
Responses = Callable[[FactorTopyModel, Sequence[Tensor]], Tensor]


def model_of(scale: Scale, *, start: bool = False) -> FactorTopyModel:
    """A model whose voxels read all over the image; start: as a fit starts, all of them at its centre."""
    generator = torch.Generator().manual_seed(0)
    coordinates = torch.randn(scale.voxels, 3, generator=generator) * 40
    recipe = replace(PAPER, dim=scale.dim)
    model = FactorTopyModel([scale.channels] * scale.layers, GRID, scale.voxels, coordinates, recipe, generator)
    if not start:
        for mlp in model.selectors.children():
            last = mlp[-1].weight
            last.data.copy_(torch.randn(last.shape, generator=generator))
    return model


def batch_of(scale: Scale, seed: int = 1) -> tuple[list[Tensor], Tensor]:
    """Tokens, per layer [B, P, C], and responses [B, V]."""
    generator = torch.Generator().manual_seed(seed)
    places = GRID[0] * GRID[1] + 1
    tokens = [torch.randn(scale.batch, places, scale.channels, generator=generator) for _ in range(scale.layers)]
    return tokens, torch.randn(scale.batch, scale.voxels, generator=generator)


def plain_selection(model: FactorTopyModel) -> tuple[Tensor, Tensor, Tensor]:
    """The three MLPs as torch would run them."""
    x, heads = model.selectors.encoding, {}
    for name, mlp in model.selectors.named_children():
        hidden = F.gelu(F.linear(x, mlp[0].weight, mlp[0].bias))
        hidden = F.gelu(F.linear(hidden, mlp[2].weight, mlp[2].bias))
        heads[name] = F.linear(hidden, mlp[4].weight, mlp[4].bias)
    return heads["space"].tanh(), heads["layer"].softmax(1), heads["scale"].sigmoid()


def by_loop(model: FactorTopyModel, tokens: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Layer by layer: align, grid_sample at every voxel, mix with the global token, add up by the layer's weight."""
    space, layer, scale = plain_selection(model)
    v: Tensor | float = 0.0
    for index, (given, align) in enumerate(zip(tokens, model.align.layers, strict=True)):
        aligned = given @ align.t()
        images, _, dim = aligned.shape
        picture = aligned[:, :-1].transpose(1, 2).reshape(images, dim, *GRID)
        points = space[None, :, None].expand(images, -1, 1, 2)
        local = F.grid_sample(picture, points, align_corners=False)[..., 0].transpose(1, 2)
        mixed = (1 - scale) * local + scale * aligned[:, None, -1]
        v = v + layer[:, index, None] * mixed
    return (v * model.channel).mean(dim=2) + model.constant, entropy_penalty(layer)


def by_listing(model: FactorTopyModel, tokens: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Listing 1 taken literally: [B, V, D, L] in full."""
    space, layer, scale = plain_selection(model)
    local, glob = [], []
    for given, align in zip(tokens, model.align.layers, strict=True):
        aligned = given @ align.t()
        images, _, dim = aligned.shape
        picture = aligned[:, :-1].transpose(1, 2).reshape(images, dim, *GRID)
        points = space[None, :, None].expand(images, -1, 1, 2)
        local.append(F.grid_sample(picture, points, align_corners=False)[..., 0].transpose(1, 2))
        glob.append(aligned[:, None, -1].expand(-1, len(space), -1))
    mix = scale[None, :, :, None]
    v = torch.stack(local, dim=3) * (1 - mix) + torch.stack(glob, dim=3) * mix
    v = (v * layer[None, :, None, :]).sum(dim=3)
    return (v * model.channel).mean(dim=2) + model.constant, entropy_penalty(layer)


def loss_of(name: str, model: FactorTopyModel, tokens: Sequence[Tensor], observed: Tensor) -> Tensor:
    """The loss by one of the three ways."""
    if name.startswith("ours"):
        return model.loss(tokens, observed, 0.1)
    predicted, penalty = {"loop": by_loop, "listing": by_listing}[name](model, tokens)
    return smooth_l1(predicted, observed) + 0.1 * penalty


def step_of(name: str, scale: Scale, device: str) -> Callable[[], Tensor]:
    """A training step, ready to be run again and again."""
    model = model_of(scale, start=name == "ours at the start").to(device)
    tokens, observed = batch_of(scale)
    tokens, observed = [t.to(device) for t in tokens], observed.to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=0.0, fused=True)

    def step() -> Tensor:
        optimiser.zero_grad()
        loss = loss_of(name, model, tokens, observed)
        loss.backward()
        optimiser.step()
        return loss

    return step


def extra_gb(name: str, scale: Scale) -> float:
    """Memory a step takes above its data, its parameters and what the optimiser keeps of them, in this process."""
    step_of(name, replace(scale, voxels=64, batch=1), "cpu")()  # libraries loaded, threads started
    gc.collect()
    before = peak_gb()
    step = step_of(name, scale, "cpu")
    for _ in range(2):
        step()
    taken = peak_gb() - before
    model, (tokens, observed) = model_of(scale), batch_of(scale)
    # Parameters, their gradients and AdamW's two moments.
    kept = [*tokens, observed, *model.buffers()] + [p for p in model.parameters() for _ in range(4)]
    return taken - sum(t.numel() * t.element_size() for t in kept) / 2**30


def largest_difference(scale: Scale, device: str) -> float:
    """Over the loss and every gradient, beside the loop in float64 on the CPU, as a share of each tensor's largest."""
    small = replace(scale, voxels=min(scale.voxels, 1000), batch=2)
    tokens, observed = batch_of(small)
    mine, theirs = model_of(small).to(device), model_of(small).double()
    a = loss_of("ours", mine, [t.to(device) for t in tokens], observed.to(device))
    b = loss_of("loop", theirs, [t.double() for t in tokens], observed.double())
    a.backward()
    b.backward()
    pairs: list[tuple[Tensor, Tensor]] = [(a.detach(), b.detach())]
    pairs += [(p.grad, q.grad) for p, q in zip(mine.parameters(), theirs.parameters(), strict=True)]
    return max(float((p.cpu() - q).abs().max() / q.abs().max()) for p, q in pairs)


def report(scale: Scale, names: Sequence[str], rounds: int, device: str, arguments: Sequence[str]) -> dict[str, object]:
    """Times of all, memory of each, and how far ours is from the loop."""
    times = interleaved({name: step_of(name, scale, device) for name in names}, rounds, device)
    clock = "wall_ms" if device == "cuda" else "cpu_ms"
    result: dict[str, object] = {"scale": vars(scale), "device": device, **machine(), "steps": times}
    ours = times["ours"]
    result["cpu_ms_per_step"], result["wall_ms_per_step"] = ours["cpu_ms"], ours["wall_ms"]
    result["cpu_ms_per_sample"] = ours["cpu_ms"] / scale.batch
    for other in set(names) - {"ours"}:
        result["ratio_to_" + other.replace(" ", "_")] = times[other][clock] / ours[clock]
        result["wall_ratio_to_" + other.replace(" ", "_")] = times[other]["wall_ms"] / ours["wall_ms"]
    if device == "cpu":
        for name in {"ours", "loop"} & set(names):
            key = "extra_gb" if name == "ours" else f"extra_gb_{name}"
            result[key] = float(in_a_process(__file__, *arguments, "--memory", name))
    result["largest_difference_to_float64"] = largest_difference(scale, device)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="demo")
    parser.add_argument("--batch", type=int, help="images in a batch, instead of the scale's own")
    parser.add_argument("--voxels", type=int, help="voxels, instead of the scale's own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="comma list of: ours, 'ours at the start', loop, listing")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0: torch's own choice")
    parser.add_argument("--sweep", choices=SWEEPS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    changes = {key: value for key in ("batch", "voxels") if (value := getattr(options, key))}
    scale = replace(SCALES[options.scale], **changes)
    if options.memory:
        print(extra_gb(options.memory, scale))
        return
    if options.sweep:
        for key, value in SWEEPS[options.sweep]:
            sized = replace(scale, **{key: value})
            took = interleaved({"ours": step_of("ours", sized, options.device)}, options.rounds, options.device)["ours"]
            print(f"{key} {value:>7}   {took['cpu_ms']:8.1f} ms CPU   {took['wall_ms']:8.1f} ms", flush=True)
        return
    # [B, V, D, L] at paper scale: more than ten gigabytes.
    usual = ["ours", "ours at the start", "loop"] + (["listing"] if options.scale == "demo" else [])
    names = [name.strip() for name in options.only.split(",")] if options.only else usual
    arguments = ["--scale", options.scale, *(f"--{key}={value}" for key, value in changes.items())]
    result = report(scale, names, options.rounds, options.device, arguments)
    print(json.dumps(result, indent=2) if options.json else table(result))


def table(result: dict[str, object]) -> str:
    """For people."""
    lines = [f"{key:32} {value:10.4g}" for key, value in result.items() if isinstance(value, float)]
    return "\n".join([f"{result['processor']}, {result['threads']} threads, torch {result['torch']}", *lines])


if __name__ == "__main__":
    main()

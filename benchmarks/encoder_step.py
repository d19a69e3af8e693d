"""One training step of FactorTopy: ours beside Listing 1 taken literally and beside a grid_sample call per layer.

python benchmarks/encoder_step.py --scale demo|paper [--batch N] [--rounds N] [--only start,loop] [--device cuda] [--json]
python benchmarks/encoder_step.py --scale demo --sweep voxels|images|layers|batch

A step: gradients to zero, selectors, channel align, contraction, smooth L1, entropy term, backward, AdamW. All run the same
mathematics on the same parameters, in turn, in one process; memory is what each takes above its data (tokens and responses)
in a process of its own, or of the GPU. Ours is compared with the loop in float64 on the CPU, whatever it runs on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import pi, sqrt
from typing import Any

import torch
import torch.nn.functional as F
from measure import in_a_process, interleaved, machine, peak_gb
from torch import Tensor

from brainbench.builtin.encoders.factortopy import FactorTopyModel
from brainbench.fitting import PAPER, entropy_penalty, smooth_l1

GRID = (8, 8)


@dataclass(frozen=True)
class Scale:
    """Sizes of a step. images: those held in 16 bits, of which every step draws its batch; 0: one batch, held as it is."""

    voxels: int
    layers: int
    channels: int
    dim: int
    batch: int
    images: int = 0


SCALES = {"demo": Scale(3000, 12, 192, 64, 32), "paper": Scale(37_984, 12, 768, 128, 8)}
SWEEPS = {
    "voxels": (1000, 3000, 10_000, 30_000, 100_000),
    "images": (250, 500, 1000, 2000),
    "layers": (1, 6, 12, 24),
    "batch": (1, 8, 32, 128),
}


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
        # tanh of a logistic variable of scale 1/2 is uniform: as many voxels read one part of the image as another.
        with torch.no_grad():
            space, head = model.selectors.space(model.selectors.codes, model.selectors.basis), model.selectors.space[-1]
            gain = (pi / sqrt(12)) / space.std(dim=0)
            head.bias.copy_(-space.mean(dim=0) * gain)
            head.weight.mul_(gain[:, None])
    return model


def data_of(scale: Scale, seed: int = 1) -> tuple[list[Tensor], Tensor]:
    """Tokens, per layer [B, P, C], and responses [B, V]; or of all images."""
    generator = torch.Generator().manual_seed(seed)
    count, dtype = scale.images or scale.batch, torch.float16 if scale.images else torch.float32
    sizes = [(GRID[0] * GRID[1] + 1, scale.channels)] * scale.layers + [(scale.voxels,)]
    *tokens, responses = [torch.empty(count, *size, dtype=dtype).normal_(generator=generator) for size in sizes]
    return tokens, responses


def plain_selection(model: FactorTopyModel) -> tuple[Tensor, Tensor, Tensor]:
    """The three MLPs as torch would run them."""
    x, heads = model.selectors.codes @ model.selectors.basis, {}
    for name, mlp in model.selectors.named_children():
        hidden = F.gelu(F.linear(x, mlp[0].weight, mlp[0].bias))
        hidden = F.gelu(F.linear(hidden, mlp[2].weight, mlp[2].bias))
        heads[name] = F.linear(hidden, mlp[4].weight, mlp[4].bias)
    return heads["space"].tanh(), heads["layer"].softmax(1), heads["scale"].sigmoid()


def by_loop(model: FactorTopyModel, tokens: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Layer by layer: align, grid_sample at every voxel, mix with the global token, add up by the layer's weight."""
    space, layer, scale = plain_selection(model)
    v: Tensor | float = 0.0
    for index, given in enumerate(tokens):
        aligned = given @ model.align.matrix(index).t()
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
    for index, given in enumerate(tokens):
        aligned = given @ model.align.matrix(index).t()
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
    """The loss by one of the three ways; start: ours, as a fit starts."""
    if name in ("ours", "start"):
        return model.loss(tokens, observed, 0.1)
    predicted, penalty = {"loop": by_loop, "listing": by_listing}[name](model, tokens)
    return smooth_l1(predicted, observed) + 0.1 * penalty


def step_of(name: str, scale: Scale, device: str) -> tuple[Callable[[], Tensor], float]:
    """(a training step, ready to be run again and again; gigabytes of its data)."""
    model = model_of(scale, start=name == "start").to(device)
    tokens, observed = data_of(scale)
    tokens, observed = [t.to(device) for t in tokens], observed.to(device)
    # At a rate of zero AdamW does all its arithmetic, and the voxels stay where they read.
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.0, fused=True)
    chance = torch.Generator().manual_seed(2)

    def batch() -> tuple[list[Tensor], Tensor]:
        if not scale.images:
            return tokens, observed
        drawn = torch.randint(scale.images, (scale.batch,), generator=chance).to(device)
        return [t[drawn].float() for t in tokens], observed[drawn].float()

    def step() -> Tensor:
        optimiser.zero_grad()
        loss = loss_of(name, model, *batch())
        loss.backward()
        optimiser.step()
        return loss

    return step, sum(t.nbytes for t in (*tokens, observed)) / 2**30


def extra_gb(name: str, scale: Scale, device: str) -> float:
    """Memory that a step takes above its data: parameters, their gradients, AdamW's moments and all that is made on the way.

    To be called in a process of its own.
    """
    step_of(name, Scale(voxels=64, layers=2, channels=8, dim=8, batch=1), device)[
        0
    ]()  # libraries loaded, threads started
    before = peak_gb(device)
    step, data = step_of(name, scale, device)
    for _ in range(3):
        step()
    return peak_gb(device) - before - data


def largest_difference(name: str, scale: Scale, device: str) -> float:
    """Over the loss and every gradient, beside the loop in float64 on the CPU, as a share of each tensor's largest."""
    small = replace(scale, voxels=min(scale.voxels, 3000), batch=8, images=0)
    tokens, observed = data_of(small)
    mine, theirs = model_of(small).to(device), model_of(small).double()
    a = loss_of(name, mine, [t.to(device) for t in tokens], observed.to(device))
    b = loss_of("loop", theirs, [t.double() for t in tokens], observed.double())
    a.backward()
    b.backward()
    pairs: list[tuple[Tensor, Tensor]] = [(a.detach(), b.detach())]
    pairs += [(p.grad, q.grad) for p, q in zip(mine.parameters(), theirs.parameters(), strict=True)]
    return max(float((p.cpu() - q).abs().max() / q.abs().max()) for p, q in pairs)


def report(scale: Scale, names: Sequence[str], rounds: int, device: str) -> dict[str, Any]:
    """Times of all, memory of ours and of the loop, and how far ours is from float64."""
    memory = {name: measured_extra_gb(name, scale, device) for name in ("ours", "loop") if name in names}
    # The loop's own is what float32 costs, whatever the contraction.
    differences = {name: largest_difference(name, scale, device) for name in memory}
    steps = {name: step_of(name, scale, device)[0] for name in names}
    times = interleaved(steps, rounds, device)
    ours, clock = times["ours"], "wall_ms" if device == "cuda" else "cpu_ms"
    result: dict[str, Any] = {"scale": asdict(scale), "device": device, **machine(), "steps": times}
    result |= {"cpu_ms_per_step": ours["cpu_ms"], "cpu_ms_per_sample": ours["cpu_ms"] / scale.batch}
    result["wall_ms_per_step"] = ours["wall_ms"]
    result |= {f"ratio_to_{name}": times[name][clock] / ours[clock] for name in names if name != "ours"}
    for key, figures in (("max_relative_difference", differences), ("extra_gb", memory)):
        result |= {key if name == "ours" else f"{key}_{name}": figure for name, figure in figures.items()}
    return result


def sweep(scale: Scale, along: str, rounds: int, device: str) -> list[dict[str, Any]]:
    """Time and memory of ours at several sizes."""
    rows = []
    for size in SWEEPS[along]:
        sized = replace(scale, **{along: size})
        memory = measured_extra_gb("ours", sized, device)
        step, data = step_of("ours", sized, device)
        rows.append(
            {along: size, **interleaved({"ours": step}, rounds, device)["ours"], "extra_gb": memory, "data_gb": data}
        )
    return rows


def measured_extra_gb(name: str, scale: Scale, device: str) -> float:
    """``extra_gb`` in a process of its own."""
    threads = f"--threads={torch.get_num_threads()}"
    return float(in_a_process(__file__, "--device", device, threads, "--memory", json.dumps([name, asdict(scale)])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="demo")
    parser.add_argument("--batch", type=int, help="images in a batch, instead of the scale's own")
    parser.add_argument("--voxels", type=int, help="voxels, instead of the scale's own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", help="comma list of what ours is compared with: start (as a fit starts), loop, listing"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, help="instead of torch's own choice")
    parser.add_argument("--sweep", choices=SWEEPS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.memory:
        name, sizes = json.loads(options.memory)
        print(extra_gb(name, Scale(**sizes), options.device))
        return
    changes = {key: value for key in ("batch", "voxels") if (value := getattr(options, key))}
    scale = replace(SCALES[options.scale], **changes)
    if options.sweep:
        rows = sweep(scale, options.sweep, options.rounds, options.device)
        print(json.dumps(rows, indent=2) if options.json else "\n".join(map(line, rows)))
        return
    # [B, V, D, L] at paper scale: more than ten gigabytes.
    usual = ["start", "loop"] + (["listing"] if options.scale == "demo" else [])
    others = usual if options.only is None else [name for name in options.only.split(",") if name not in ("", "ours")]
    if unknown := set(others) - {"start", "loop", "listing"}:
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}; choose from start, loop, listing")
    result = report(scale, ["ours", *others], options.rounds, options.device)
    print(json.dumps(result, indent=2) if options.json else table(result))


def line(row: dict[str, Any]) -> str:
    """One size, for people."""
    return "   ".join(
        f"{key} {value:,.4g}" if isinstance(value, float) else f"{key} {value:>7,}" for key, value in row.items()
    )


def table(result: dict[str, Any]) -> str:
    """For people."""
    lines = [f"{key:26} {value:10.4g}" for key, value in result.items() if isinstance(value, float)]
    return "\n".join(
        [f"{result['gpu'] or result['processor']}, {result['threads']} threads, torch {result['torch']}", *lines]
    )


if __name__ == "__main__":
    main()

"""The Stable Diffusion cards. Light: the network is in model.py."""

from __future__ import annotations

from functools import partial
from typing import Any

from brainbench import BackboneCard, hookimpl, lazy, shipped

_LOAD = "brainbench_sd.model:load"
# One call of the U-Net and of the image encoder, in GFLOP.
_UNET, _ENCODER = 803, 1117
_FACTS: dict[str, Any] = {
    "libraries": ("diffusers", "transformers"),
    "taps": ("block", "resnet", "conv2"),
    "objective": "denoising diffusion, text to image",
    "citation": (
        "Robin Rombach and Andreas Blattmann and Dominik Lorenz and Patrick Esser and Björn Ommer (2022). "
        "High-Resolution Image Synthesis with Latent Diffusion Models. CVPR. arXiv:2112.10752"
    ),
}


def _card(name: str, calls: int, **facts: Any) -> BackboneCard:
    return BackboneCard(
        name=name,
        loader=partial(lazy(_LOAD), name=name),
        # The same object on every card, so that several can be read in one inversion.
        joint=lazy("brainbench_sd.model:load_joint"),
        width=1280,
        patch=8,
        input_size=512,
        normalisation="[-1, 1]",
        parameters=893_684_628,
        gflops=calls * _UNET + _ENCODER,
        training_data="LAION-2B-en and its aesthetic subsets",
        licence="CreativeML OpenRAIL-M",
        weights="v1-5",
        source="stable-diffusion-v1-5/stable-diffusion-v1-5",
        # The safetensors in float32; the repository also holds halves, non-EMA twins and pickles of them.
        files=(
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
        ),
        snapshot=True,
        download_mb=4266,
        **_FACTS,
        **facts,
    )


def at_time(*, name: str, **facts: Any) -> BackboneCard:
    """The card of ``sd/tTT-encoder`` or ``sd/tTT-decoder``; inversion needs 50 - TT calls of the U-Net to get there."""
    time, side = int(name[4:6]), name[7:]
    summary = f"Stable Diffusion 1.5, the {side}'s layers at time step T{time} (T0 noisiest, T49 clean)"
    return _card(name, 50 - time, summary=summary, layers={"encoder": 8, "decoder": 12}[side], **facts)


def _any_time(side: str) -> BackboneCard:
    return BackboneCard(
        name=f"sd/tTT-{side}",
        loader=lazy(_LOAD),
        summary=f"Stable Diffusion 1.5, the {side}'s layers at any time step: TT = 00 (noisiest) to 49 (clean)",
        pattern=f"sd/t[0-4][0-9]-{side}",
        expand=at_time,
        weights="v1-5",
        **_FACTS,
    )


CARDS = [
    at_time(name="sd/t40-decoder", default=True),
    at_time(name="sd/t40-encoder"),
    _card(
        "sd/d6-timesteps",
        50,
        summary="Stable Diffusion 1.5, decoder layer 6 at each of the 50 time steps, T0 (noisiest) to T49 (clean)",
        layers=50,
    ),
    _any_time("encoder"),
    _any_time("decoder"),
    BackboneCard(
        name="sd/mini",
        loader=partial(lazy(_LOAD), name="sd/mini"),
        summary="the same classes and 10 calls, 48 channels, 64 px, trained on scenes like those of the demo: decoder at T40",
        mini=True,
        layers=12,
        width=48,
        patch=8,
        input_size=64,
        normalisation="[-1, 1]",
        parameters=1_417_092,
        gflops=0.26,
        # A user's own weights are a folder, as for the large network.
        snapshot=True,
        licence="MIT",
        **shipped("brainbench_sd"),
        **_FACTS,
    ),
]


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """Stable Diffusion, layer by layer and time step by time step."""
    return CARDS

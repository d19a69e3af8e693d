"""Cards of the built-in encoders."""

from __future__ import annotations

from functools import partial

from brainbench import EncoderCard, Setting, lazy

_RECIPE = (
    Setting("recipe", str, "fast", "fast: tuned for few images; paper: every constant as printed", ("fast", "paper")),
    Setting("steps", int, 0, "most training steps; 0: the recipe's own", minimum=0),
    Setting("batch_size", int, 0, "trials in one step; 0: the recipe's own", minimum=0),
    Setting("lr", float, 0.0, "learning rate; 0: the recipe's own", minimum=0),
    Setting("dim", int, 0, "aligned channels D; 0: the recipe's own", minimum=0),
    Setting(
        "memory", float, 0.0, "GB of tokens held at once, the rest is read again; 0: half of the machine's", minimum=0
    ),
)
_PAPER = "Huzheng Yang and James Gee and Jianbo Shi (2024). Brain Decodes Deep Nets. CVPR. arXiv:2312.01280"
# The pooling fields of F.1 are in the style of the GNet that came with the Natural Scenes Dataset.
_GNET = (
    "Emily J. Allen and others (2022). A massive 7T fMRI dataset to bridge cognitive neuroscience and artificial "
    "intelligence. Nature Neuroscience 25, 116-126"
)
_ALIGN = Setting(
    "align", str, "shared", "local and global tokens of a layer: one channel align, or two", ("shared", "separate")
)


def _factortopy(
    name: str, summary: str, selectors: tuple[str, ...] = ("space", "layer", "scale"), default: bool = False
) -> EncoderCard:
    return EncoderCard(
        name=name,
        loader=partial(lazy("brainbench.builtin.encoders.factortopy:load"), variant=name),
        summary=summary,
        settings=(*_RECIPE, _ALIGN),
        libraries=("torch",),
        default=default,
        demo_steps=300,
        selectors=(*selectors, "channel"),
        citation=_PAPER,
    )


FACTORTOPY = (
    _factortopy(
        "factortopy", "every voxel selects space, layer, scale and channels, smoothly over the cortex", default=True
    ),
    _factortopy(
        "factortopy/no-topology", "factortopy with selectors that are free for every voxel (Table 16, w/o topology)"
    ),
    _factortopy("factortopy/no-layer", "factortopy that reads the mean of all layers (Table 16)", ("space", "scale")),
    _factortopy("factortopy/no-space", "factortopy that reads the mean over the image (Table 16)", ("layer", "scale")),
    _factortopy(
        "factortopy/no-scale", "factortopy that reads local and global half and half (Table 16)", ("space", "layer")
    ),
    _factortopy("factortopy/multi-sample", "factortopy in which every voxel reads three places (Table 16)"),
)

CLASSTOKEN = EncoderCard(
    name="classtoken",
    loader=lazy("brainbench.builtin.encoders.classtoken:load"),
    summary="all voxels read one mixture of every layer's global token (appendix F.1)",
    settings=_RECIPE,
    libraries=("torch",),
    demo_steps=600,
    citation=_PAPER,
)

PATCHTOKEN = EncoderCard(
    name="patchtoken",
    loader=lazy("brainbench.builtin.encoders.patchtoken:load"),
    summary="all voxels read one vector, squeezed from every layer's local tokens (appendix F.1)",
    settings=_RECIPE,
    libraries=("torch",),
    demo_steps=300,
    citation=_PAPER,
)

GNETVIT = EncoderCard(
    name="gnetvit",
    loader=lazy("brainbench.builtin.encoders.gnetvit:load"),
    summary="every voxel pools every layer's local tokens with a field of its own (appendix F.1)",
    settings=_RECIPE,
    libraries=("torch",),
    demo_steps=300,
    citation=f"{_PAPER}\n{_GNET}",
)

"""Cards of the built-in encoders."""

from __future__ import annotations

from functools import partial

from brainbench import EncoderCard, Setting, lazy

# None leaves what the recipe has.
_RECIPE = (
    Setting(
        "recipe",
        str,
        "fast",
        "fast: tuned for few images; paper: as printed, with a scale penalty and a blur",
        ("fast", "paper"),
    ),
    Setting("steps", int, None, "training steps, whatever the number of trials", minimum=1),
    Setting("passes", float, None, "passes over the train trials; 0: as many as the most steps take", minimum=0),
    Setting("batch_size", int, None, "trials in one step", minimum=1),
    Setting("lr", float, None, "learning rate", minimum=0),
    Setting("dim", int, None, "aligned channels D", minimum=1),
    Setting("weight_decay", float, None, "AdamW's", minimum=0),
    Setting("epoch", float, None, "steps between two looks at the val split; below 1: a share of all", minimum=0),
    Setting(
        "patience", int, None, "looks without a better one before a settled fit stops; 0: it never does", minimum=0
    ),
    Setting("keep", int, None, "best looks kept to be averaged", minimum=1),
    Setting("memory", float, 0.0, "GB of tokens held at once, the rest is read again; 0: 8", minimum=0),
)
_SELECTORS = (
    Setting("penalty", float, None, "lambda, the weight of the penalty on selectors that decide", minimum=0),
    Setting("decay", float, None, "steps over which that penalty falls to zero; below 1: a share of all", minimum=0),
    Setting("scale_penalty", float, None, "weight, within that penalty, of the distance of scales from 1/2", minimum=0),
    Setting("selector_lr", float, None, "what selectors learn at, as a share of the learning rate", minimum=0),
    Setting("blur", float, None, "how far local tokens are blurred at first, in places", minimum=0),
    Setting("blur_steps", float, None, "steps over which that blur falls to zero; below 1: a share of all", minimum=0),
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

_CLOSED = Setting(
    "channels",
    str,
    "closed",
    "weights of channels: closed: solved for, given all else; gradient: learned beside it, as recipe=paper does",
    ("closed", "gradient"),
)
_PRINCIPAL = Setting(
    "principal", int, 0, "principal channels of a layer solved for; 0: as many as are affordable", minimum=0
)


def _factortopy(
    name: str, summary: str, selectors: tuple[str, ...] = ("space", "layer", "scale"), default: bool = False
) -> EncoderCard:
    return EncoderCard(
        name=name,
        loader=partial(lazy("brainbench.builtin.encoders.factortopy:load"), variant=name),
        summary=summary,
        settings=(*_RECIPE, *_SELECTORS, _ALIGN, _CLOSED, _PRINCIPAL),
        libraries=("torch",),
        default=default,
        demo_steps=450,
        selectors=(*selectors, "channel"),
        citation=_PAPER,
        version="2",
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
    version="2",
    loader=lazy("brainbench.builtin.encoders.classtoken:load"),
    summary="all voxels read one mixture of every layer's global token (appendix F.1)",
    settings=(*_RECIPE, _CLOSED),
    libraries=("torch",),
    demo_steps=600,
    citation=_PAPER,
)

PATCHTOKEN = EncoderCard(
    name="patchtoken",
    version="2",
    loader=lazy("brainbench.builtin.encoders.patchtoken:load"),
    summary="all voxels read one vector, squeezed from every layer's local tokens (appendix F.1)",
    settings=(*_RECIPE, _CLOSED),
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

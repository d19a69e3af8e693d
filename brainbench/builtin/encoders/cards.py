"""Cards of the built-in encoders."""

from __future__ import annotations

from brainbench import EncoderCard, Setting, lazy

_RECIPE = (
    Setting("recipe", str, "fast", "fast: tuned for few images; paper: every constant as printed", ("fast", "paper")),
    Setting("steps", int, 0, "most training steps; 0: the recipe's own", minimum=0),
    Setting("batch_size", int, 0, "trials in one step; 0: the recipe's own", minimum=0),
    Setting("lr", float, 0.0, "learning rate; 0: the recipe's own", minimum=0),
    Setting("dim", int, 0, "aligned channels D; 0: the recipe's own", minimum=0),
)

FACTORTOPY = EncoderCard(
    name="factortopy",
    loader=lazy("brainbench.builtin.encoders.factortopy:load"),
    summary="every voxel selects space, layer, scale and channels, smoothly over the cortex",
    settings=_RECIPE,
    libraries=("torch",),
    default=True,
    demo_steps=300,
    selectors=("space", "layer", "scale", "channel"),
)

NO_TOPOLOGY = EncoderCard(
    name="factortopy/no-topology",
    loader=lazy("brainbench.builtin.encoders.factortopy:load_no_topology"),
    summary="factortopy with selectors that are free for every voxel (Table 16, w/o topology)",
    settings=_RECIPE,
    libraries=("torch",),
    demo_steps=300,
    selectors=("space", "layer", "scale", "channel"),
)

CLASSTOKEN = EncoderCard(
    name="classtoken",
    loader=lazy("brainbench.builtin.encoders.classtoken:load"),
    summary="all voxels read one mixture of every layer's global token (appendix F.1)",
    settings=_RECIPE,
    libraries=("torch",),
    demo_steps=600,
)

"""Cards of the built-in metrics."""

from __future__ import annotations

from brainbench import MetricCard, Setting, lazy

_PAPER = "Huzheng Yang and James Gee and Jianbo Shi (2024). Brain Decodes Deep Nets. CVPR. arXiv:2312.01280"
_RSA = (
    "Hamed Nili and Cai Wingfield and Alexander Walther and Li Su and William Marslen-Wilson and Nikolaus Kriegeskorte (2014). "
    "A Toolbox for Representational Similarity Analysis. PLoS Computational Biology"
)
_CKA = (
    "Simon Kornblith and Mohammad Norouzi and Honglak Lee and Geoffrey Hinton (2019). Similarity of Neural Network "
    "Representations Revisited. ICML. arXiv:1905.00414"
)

R2 = MetricCard(
    name="r2",
    loader=lazy("brainbench.builtin.metrics.r2:load"),
    summary="share of a voxel's variance over the test split that is predicted (section 4.1)",
    needs=frozenset({"predictions", "responses"}),
    columns={"all": "R2", "all_of_ceiling": "of ceiling"},
    version="2",
    default=True,
    roi_columns=True,
    citation=_PAPER,
    precedence=40,
    ceiling=True,
    explanation={
        "all": "R2: share of the measured variance that is predicted on test images the fit never saw, mean over all voxels, "
        "then per ROI; 1 is perfect, 0 no better than the mean response.",
        "all_of_ceiling": "of ceiling: R2 as a share of what the noise in the measurement leaves to be predicted.",
    },
)

PEARSON = MetricCard(
    name="pearson",
    loader=lazy("brainbench.builtin.metrics.pearson:load"),
    summary="correlation of a voxel's predicted and measured responses over the test split",
    needs=frozenset({"predictions", "responses"}),
    columns={"all": "Pearson r"},
    roi_columns=True,
    explanation={
        "all": "Pearson r: correlation of predicted and measured responses, blind to their size and offset.",
    },
)

HIERARCHY = MetricCard(
    name="hierarchy",
    loader=lazy("brainbench.builtin.metrics.hierarchy:load"),
    summary="how the selected layer rises from V1 over V2 and V3 and OPA to EBA (section 4.3)",
    needs=frozenset({"selectors", "responses"}),
    columns={"slope": "slope", "b0": "b0", "b1": "b1"},
    opposite=("b0",),
    default=True,
    digits=2,
    version="2",
    citation=_PAPER,
    precedence=30,
    explanation={
        "slope": "slope, b0, b1: does the order of the layers follow V1, V2 and V3, OPA, EBA? "
        "A perfect hierarchy has slope 1, b0 0, b1 1.",
    },
    errors="Alignment with the visual hierarchy",
    errors_note="± the standard error of the line through the voxels, mean over fits. Neighbouring voxels are not independent, "
    "so it is a lower bound.",
)

CONFIDENCE = MetricCard(
    name="confidence",
    loader=lazy("brainbench.builtin.metrics.confidence:load"),
    summary="how sharply voxels choose a layer: 1 one layer, 0 all layers equally (equation 2)",
    needs=frozenset({"selectors", "responses"}),
    columns={"all": "confidence"},
    default=True,
    digits=2,
    citation=_PAPER,
    precedence=20,
    explanation={"all": "confidence: 1 when every voxel reads one layer, 0 when it reads all alike."},
)

LAYERS = MetricCard(
    name="layers",
    loader=lazy("brainbench.builtin.metrics.layers:load"),
    summary="similarity of neighbouring layers: a layer selector cannot tell similar layers apart",
    needs=frozenset({"tokens"}),
    columns={"neighbours": "neighbour r", "neighbours_cka": "neighbour CKA"},
    direction="none",
    default=True,
    digits=2,
    citation=_CKA,
    precedence=10,
    explanation={
        "neighbours_cka": "neighbour r, neighbour CKA: how alike adjacent layers are, channel by channel and as far as a linear "
        "map can see; near 1, no encoder can tell them apart, and slope and confidence mean little.",
    },
)

TRUST = MetricCard(
    name="trust",
    loader=lazy("brainbench.builtin.metrics.trust:load"),
    summary="how much neighbouring layers differ in what a fit reads from them, and so whether its layer map can be trusted",
    needs=frozenset({"selectors"}),
    columns={"identifiability": "identifiability"},
    direction="none",
    default=True,
    digits=2,
    caveat=True,
    explanation={
        "identifiability": "identifiability: share of what a fit reads of a layer that the neighbouring layer could not give "
        "instead; near 0 the layer map says nothing.",
    },
)

GRID = MetricCard(
    name="grid",
    loader=lazy("brainbench.builtin.metrics.grid:load"),
    summary="ridge regression from each layer's global tokens alone, compared with the weight that voxels give it (Figure 25)",
    needs=frozenset({"tokens", "selectors", "responses"}),
    columns={"match": "grid r"},
    direction="none",
    digits=2,
    citation=_PAPER,
    explanation={
        "match": "grid r: do voxels take most of the layers that predict best alone? Correlation over layers, mean over ROIs.",
    },
)

RECOVERY = MetricCard(
    name="recovery",
    loader=lazy("brainbench.builtin.metrics.recovery:load"),
    summary="comparison of selectors with the true ones, on simulated brains whose truth is known",
    needs=frozenset({"selectors", "responses"}),
    columns={"layer_r": "layer r", "slope_ratio": "slope ratio", "space_error": "space error"},
    opposite=("space_error",),
    explanation={
        "layer_r": "layer r: correlation of the selected with the true layers, over voxels.",
        "slope_ratio": "slope ratio: slope of the recovered hierarchy over the true one; 1 is perfect.",
        "space_error": "space error: mean difference of a coordinate of the selected and the true place, in half widths of the "
        "image.",
    },
)

RSA = MetricCard(
    name="rsa",
    loader=lazy("brainbench.builtin.metrics.rsa:load"),
    summary="do a layer's tokens tell apart the images that a brain tells apart? dissimilarities compared, nothing fitted",
    needs=frozenset({"tokens", "dissimilarities"}),
    columns={"best": "rsa", "ceiling_lower": "rsa ceiling"},
    settings=(
        Setting("tokens", str, "local", "the tokens that represent an image", ("local", "global")),
        Setting("compare", str, "spearman", "how dissimilarities are correlated", ("spearman", "pearson", "kendall")),
        Setting("images", int, 1000, "largest number of images, drawn with the job's seed", minimum=3),
    ),
    citation=_RSA,
    explanation={
        "best": "rsa: agreement of a layer's dissimilarities between images with the measured ones, for the best layer "
        "(optimistic); rsa ceiling: how well the other subjects do it.",
    },
)

RSSD = MetricCard(
    name="rssd",
    loader=lazy("brainbench.builtin.metrics.rssd:load"),
    summary="root mean square over voxels of the difference in R2 from the board's best network (Table 1); from records",
    needs=frozenset({"records"}),
    columns={"all": "RSSD"},
    direction="lower",
    roi_columns=True,
    citation=_PAPER,
    explanation={
        "all": "RSSD: root mean square of what R2 lacks to the best network of the board, voxel by voxel; lower is better.",
    },
)

CONSISTENCY = MetricCard(
    name="consistency",
    loader=lazy("brainbench.builtin.metrics.consistency:load"),
    summary="agreement of the layer maps of several seeds of one fit (Figure 12); from records",
    needs=frozenset({"records"}),
    columns={"r": "seed r", "agreement": "seed agreement"},
    digits=2,
    citation=_PAPER,
    explanation={
        "r": "seed r, seed agreement: do fits with other seeds give the same layer map? Correlation of the places that voxels "
        "read, and share of voxels with the same best layer.",
    },
)

COST = MetricCard(
    name="cost",
    loader=lazy("brainbench.builtin.metrics.cost:load"),
    summary="seconds, peak memory and number of parameters of a job, in a table of its own",
    needs=frozenset({"records"}),
    columns={
        "seconds": "seconds",
        "memory": "peak memory (MB)",
        "fitted": "fitted parameters (M)",
        "backbone": "backbone parameters (M)",
    },
    direction="none",
    digits=2,
    own_table=True,
)

# What the built-in plugin registers.
METRICS = [value for value in list(globals().values()) if isinstance(value, MetricCard)]

"""Cards of the built-in metrics."""

from __future__ import annotations

from brainbench import MetricCard, lazy

R2 = MetricCard(
    name="r2",
    loader=lazy("brainbench.builtin.metrics.r2:load"),
    summary="share of a voxel's variance over the test split that is predicted (section 4.1)",
    needs=frozenset({"predictions", "responses"}),
    columns={"all": "R2"},
    default=True,
    roi_columns=True,
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
)

CONFIDENCE = MetricCard(
    name="confidence",
    loader=lazy("brainbench.builtin.metrics.confidence:load"),
    summary="how sharply voxels choose their layer: 1 one layer, 0 all alike (equation 2)",
    needs=frozenset({"selectors", "responses"}),
    columns={"all": "confidence"},
    default=True,
    digits=2,
)

LAYERS = MetricCard(
    name="layers",
    loader=lazy("brainbench.builtin.metrics.layers:load"),
    summary="how alike neighbouring layers are: what is alike, no layer selector can tell apart",
    needs=frozenset({"tokens"}),
    columns={"neighbours": "neighbour r", "neighbours_cka": "neighbour CKA"},
    direction="none",
    default=True,
    digits=2,
)

TRUST = MetricCard(
    name="trust",
    loader=lazy("brainbench.builtin.metrics.trust:load"),
    summary="how far neighbouring layers differ in what a fit reads of them: whether its layer map means anything",
    needs=frozenset({"selectors"}),
    columns={"identifiability": "identifiability"},
    direction="none",
    default=True,
    digits=2,
)

RECOVERY = MetricCard(
    name="recovery",
    loader=lazy("brainbench.builtin.metrics.recovery:load"),
    summary="selectors beside the true ones, on simulated brains that come with the truth",
    needs=frozenset({"selectors", "responses"}),
    columns={"layer_r": "layer r", "slope_ratio": "slope ratio", "space_error": "space error"},
    opposite=("space_error",),
)

RSSD = MetricCard(
    name="rssd",
    loader=lazy("brainbench.builtin.metrics.rssd:load"),
    summary="root mean square of what R2 lacks to the best network of the board, voxel by voxel (Table 1); from records",
    needs=frozenset({"records"}),
    columns={"all": "RSSD"},
    direction="lower",
    roi_columns=True,
)

CONSISTENCY = MetricCard(
    name="consistency",
    loader=lazy("brainbench.builtin.metrics.consistency:load"),
    summary="agreement of the layer maps of several seeds of one fit (Figure 12); from records",
    needs=frozenset({"records"}),
    columns={"r": "seed r", "agreement": "seed agreement"},
    digits=2,
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

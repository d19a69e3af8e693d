from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from brainbench.pipeline.joint_features import JointFeatures


def test_layers_are_those_of_the_members_one_after_the_other(memory_features: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    local = [rng.normal(size=(7, c, h, w)) for c, h, w in ((3, 2, 2), (5, 4, 3), (2, 1, 1))]
    first, second = memory_features(local[:1]), memory_features(local[1:])
    joint = JointFeatures("key", {"a/one": first, "b/one": second})
    names = [f"a/one:{first.layers[0]}", *(f"b/one:{layer}" for layer in second.layers)]
    assert (joint.key, len(joint), joint.layers) == ("key", 7, tuple(names))
    assert (joint.channels, joint.grids) == ((3, 5, 2), ((2, 2), (4, 3), (1, 1)))
    rows = np.array([6, 0, 6])
    for layer, values in enumerate(local):
        np.testing.assert_array_equal(joint.local_tokens(layer, rows), values[rows])
        np.testing.assert_allclose(joint.global_tokens(layer, slice(2, 5)), values[2:5].mean(axis=(2, 3)))

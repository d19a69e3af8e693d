"""The record that tests of boards, reports and figures begin with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brainbench.records import BackboneFacts, Cost, DatasetFacts, EncoderFacts, Record


def a_record(
    backbone: str = "net/a",
    encoder: str = "fit",
    *,
    subject: str = "1",
    control: bool = False,
    dataset: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Record:
    """A done job without metrics, of one subject and seed 0; its key is a digest of all that it says.

    encoder: "" for a job of the backbone alone. dataset: fields of DatasetFacts. changes: fields of Record.
    """
    made = Record(
        key="",
        status="done",
        dataset=replace(
            DatasetFacts("data", "data", "1", False, subject, 100, "k", 100, 7, f"r{subject}", f"s{subject}"),
            **(dataset or {}),
        ),
        backbone=BackboneFacts(backbone, backbone.split("/")[0], "v1", "sha", None, control, "p 1", {}, {}),
        encoder=EncoderFacts(encoder, "p 1", {}, {}) if encoder else None,
        seed=0,
        grid="8",
        features_key="f",
        metrics={},
        versions={"brainbench": "1"},
        cost=Cost(1.0, 1.0, "cpu"),
    )
    made = replace(made, **changes)
    return made if made.key else replace(made, key=hashlib.sha256(repr(made).encode()).hexdigest())

"""The design of a simulated download, in the files of the real one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainbench_nsd.nsd.layout import Layout

SUBJECTS = 8
_SHARED = 0.2  # of a subject's images (NSD: a tenth)
_RUNS = 12  # a session


@dataclass(frozen=True)
class MadeDesign:
    """What is shown. total: images there are; subjectim, order, shared: as in nsd_expdesign.mat, but counted from 0."""

    total: int
    trials: int
    subjectim: np.ndarray
    order: np.ndarray
    shared: np.ndarray

    @classmethod
    def drawn(cls, settings: Mapping[str, Any]) -> MadeDesign:
        """A random design; subjects that are not made are planned to see what others see."""
        rng = np.random.default_rng(settings["seed"])
        images, made = settings["images"], min(settings["subjects"], SUBJECTS)
        common = max(1, round(_SHARED * images))
        total = common + made * (images - common)
        numbers = rng.permutation(total)
        shared, own = np.sort(numbers[:common]), numbers[common:].reshape(made, -1)
        rows = [np.concatenate([shared, own[subject % made]]) for subject in range(SUBJECTS)]
        shown = np.resize(np.arange(images), settings["sessions"] * settings["trials"])
        return cls(total, settings["trials"], np.stack(rows), rng.permutation(shown), shared)

    def shown(self, subject: str) -> np.ndarray:
        """[T] the image of every trial."""
        return np.asarray(self.subjectim[int(subject) - 1, self.order])


def write_design(layout: Layout, design: MadeDesign) -> None:
    """``nsd_expdesign.mat``, counted from 1, and ``nsd_stim_info_merged.csv``, whose nsdId counts from 0 and trials from 1."""
    import pandas as pd
    from scipy.io import savemat

    layout.design.parent.mkdir(parents=True, exist_ok=True)
    matrices = {"masterordering": design.order[None], "subjectim": design.subjectim, "sharedix": design.shared[None]}
    savemat(layout.design, {name: values + 1.0 for name, values in matrices.items()})
    number = np.arange(design.total)
    columns: dict[str, Any] = {
        "cocoId": number + 500_000,
        "cocoSplit": "train2017",
        "cropBox": "(0, 0, 0, 0)",
        "loss": 0.0,
        "nsdId": number,
        "flagged": False,
        "BOLD5000": False,
        "shared1000": np.isin(number, design.shared),
    }
    repeats: dict[str, np.ndarray] = {}
    for subject in range(1, SUBJECTS + 1):
        shown = design.shown(str(subject))
        columns[f"subject{subject}"] = np.isin(number, shown).astype(int)
        trials = pd.DataFrame({"image": shown, "trial": np.arange(1, len(shown) + 1)})
        nth = trials.groupby("image").cumcount().to_numpy()
        for repeat in range(3):
            column = repeats[f"subject{subject}_rep{repeat}"] = np.zeros(design.total, int)
            column[shown[nth == repeat]] = trials["trial"].to_numpy()[nth == repeat]
    pd.DataFrame(columns | repeats).to_csv(layout.table)


def write_log(layout: Layout, subject: str, design: MadeDesign) -> None:
    """``responses.tsv``, as far as it says what was shown."""
    import pandas as pd

    shown, trial = design.shown(subject), np.arange(len(design.order))
    within = trial % design.trials
    run = within * _RUNS // design.trials
    columns = {
        "SUBJECT": int(subject),
        "SESSION": trial // design.trials + 1,
        "RUN": run + 1,
        "TRIAL": within - -(-run * design.trials // _RUNS) + 1,
        "73KID": shown + 1,
        "10KID": design.order + 1,
    }
    path = layout.behaviour(subject)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(path, sep="\t", index=False)

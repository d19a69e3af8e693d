"""The channel selector in closed form: given what every voxel reads, its channel weights are a ridge regression's.

Voxel v reads, of each image and layer l, one vector of k_l channels:

    x_vl = sqrt(w_vl / C_l) [(1 - a_v) mean_k interp(u_vk; T_l) + a_v g_l]

that is, a weighted sum over places p, x_vl = sqrt(w_vl / C_l) sum_p s_vp T_lp. Its channel weights r_v, of all layers side by
side, minimise

    sum_i (y_iv - b_v - sum_l x_ivl . r_vl)^2 + alpha_v |r_v|^2

over the trials i of the train and val splits. The constant b_v has no penalty; alpha_v is chosen by folds of images.
"""

from __future__ import annotations

from brainbench.fitting.closed_form.channels import KeptChannels, principal_channels
from brainbench.fitting.closed_form.choice import fitted_on_train, some_voxels, worth_it
from brainbench.fitting.closed_form.finish import ClosedReadOut, close, mean_responses
from brainbench.fitting.closed_form.penalties import PENALTIES, Folds, image_folds
from brainbench.fitting.closed_form.places import place_shares
from brainbench.fitting.closed_form.shared import solve_shared
from brainbench.fitting.closed_form.solver import Problem, Solution, solve

__all__ = [
    "PENALTIES",
    "ClosedReadOut",
    "Folds",
    "KeptChannels",
    "Problem",
    "Solution",
    "close",
    "fitted_on_train",
    "image_folds",
    "mean_responses",
    "place_shares",
    "principal_channels",
    "solve",
    "solve_shared",
    "some_voxels",
    "worth_it",
]

"""Clusters of voxels that read similar channels (section 4.5, Figure 8)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from sklearn.cluster import AgglomerativeClustering, KMeans

from brainbench.errors import UsageError
from brainbench.plot.colours import layer_colours
from brainbench.plot.cortex_figure import painted
from brainbench.plot.page import Picture, bare
from brainbench.plot.voxels import Source, voxels_of

_CLUSTERS, _CENTROIDS, _VOXELS_EACH = 20, 1000, 5


def channel_clusters(channel: np.ndarray, clusters: int = _CLUSTERS) -> np.ndarray:
    """Cluster voxels by the channels they read: [V, D] -> labels [V] of 0 .. clusters - 1.

    The same input gives the same labels. The method is that of appendix E, channel clustering: kernel w' w of the voxels'
    weights, k-means on its rows (1,000 centroids, fewer than one for five voxels), Ward's linkage of the centroids down to
    ``clusters``. Neighbouring labels are similar, because they follow the order of the leaves of Ward's linkage of the
    clusters' means. Raises UsageError with fewer than ten voxels, or infinite weights.
    """
    weights = np.asarray(channel, np.float64)
    if len(weights) < 2 * _VOXELS_EACH or not np.isfinite(weights).all():
        raise UsageError(
            f"{len(weights)} voxels with channel weights, some perhaps infinite: clusters need ten, all finite"
        )
    rows = _kernel_rows(weights)
    groups = min(_CENTROIDS, len(rows) // _VOXELS_EACH, len(np.unique(rows, axis=0)))
    means = KMeans(groups, n_init=1, random_state=0).fit(rows)
    wanted = min(clusters, groups)
    merged = (
        AgglomerativeClustering(wanted, linkage="ward").fit_predict(means.cluster_centers_)
        if groups > 1
        else np.zeros(1, int)
    )
    labels = merged[means.labels_]
    return np.asarray(_in_leaf_order(rows, labels))


def cluster_map(record: Source) -> Picture:
    """Plot clusters of channels on the cortex; similar clusters get similar colours.

    record: of one subject, as in ``layer_map``.
    """
    voxels = voxels_of(record)
    if voxels.channel is None and len(voxels.records) > 1:
        raise UsageError(f"{voxels.title}: every fit has channels of its own; choose one with --subject")
    labels = channel_clusters(voxels.need("channel"))
    colours = layer_colours(int(labels.max()) + 1)

    def legend(axes: Axes) -> None:
        bare(axes)
        inner = axes.inset_axes((0, 0, 0.3, 1))
        inner.imshow(colours[:, None], origin="lower", aspect="auto", interpolation="nearest")
        bare(inner)
        inner.set_yticks([0, len(colours) - 1], ["1", str(len(colours))])
        inner.set_ylabel("cluster, alike ones side by side")

    return painted(voxels, colours[labels], legend, labels, "clusters of channels")


def _kernel_rows(weights: np.ndarray) -> np.ndarray:
    """[V, D] at the distances of the kernel's rows, [V, V], which would not fit: |K_i - K_j|^2 = (w_i - w_j)' W' W (w_i - w_j)."""
    values, vectors = np.linalg.eigh(weights.T @ weights)
    return np.asarray(weights @ (vectors * np.sqrt(np.clip(values, 0, None))))


def _in_leaf_order(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    names = np.unique(labels)
    means = np.stack([rows[labels == name].mean(axis=0) for name in names])
    if len(names) < 2:
        return np.zeros(len(labels), int)
    leaves = leaves_list(optimal_leaf_ordering(linkage(means, "ward"), means))
    place = np.empty(len(names), int)
    place[leaves] = np.arange(len(names))
    # Either end of the tree may come first: the one with more voxels does.
    if (labels == names[leaves[0]]).sum() < (labels == names[leaves[-1]]).sum():
        place = len(names) - 1 - place
    return place[np.searchsorted(names, labels)]

"""What datasets are made of; public, dataset plugins build on it. Imports numpy and Pillow, not torch."""

from __future__ import annotations

from brainbench.datasets.arrays import expect_shape, open_npy
from brainbench.datasets.chance import chance_of_repeats
from brainbench.datasets.fetching import fetched
from brainbench.datasets.file_kinds import advice
from brainbench.datasets.images import (
    Images,
    canonical,
    list_images,
    open_image,
    open_rgb,
    other_files,
    read_images,
    to_rgb,
)
from brainbench.datasets.index_columns import has_index, refuse_shuffled
from brainbench.datasets.ledger import Fact, Ledger, cache_refuses, content_digest
from brainbench.datasets.masks import VOID, MaskFiles, check_masks, mask_fact, open_mask, read_masks
from brainbench.datasets.near_duplicates import lookalikes, signature
from brainbench.datasets.planting import planted, small_images, write_images
from brainbench.datasets.repeats import ceiling_of_ncsnr, ncsnr_of_repeats
from brainbench.datasets.rois import canonical_roi, read_rois, roi_masks
from brainbench.datasets.screening import Measured, screen, survey
from brainbench.datasets.sources import ArraySource, NpySource, Source, ZScored, in_blocks, single
from brainbench.datasets.spelling import near_miss
from brainbench.datasets.spheres import icosphere, write_cortex
from brainbench.datasets.splits import SPLITS, automatic_split, given_split, read_split, refuse_empty, units
from brainbench.datasets.surfaces import Cortex, find_cortex, read_cortex, synthetic_cortex
from brainbench.datasets.tables import (
    NAMES_OF_IMAGES,
    NumberTable,
    Row,
    number_table,
    read_number_table,
    read_numbers,
    read_rows,
)
from brainbench.util.files import drafted, file_state, locked
from brainbench.util.kept import kept

__all__ = [
    "NAMES_OF_IMAGES",
    "SPLITS",
    "VOID",
    "ArraySource",
    "Cortex",
    "Fact",
    "Images",
    "Ledger",
    "MaskFiles",
    "Measured",
    "NpySource",
    "NumberTable",
    "Row",
    "Source",
    "ZScored",
    "advice",
    "automatic_split",
    "cache_refuses",
    "canonical",
    "canonical_roi",
    "ceiling_of_ncsnr",
    "chance_of_repeats",
    "check_masks",
    "content_digest",
    "drafted",
    "expect_shape",
    "fetched",
    "file_state",
    "find_cortex",
    "given_split",
    "has_index",
    "icosphere",
    "in_blocks",
    "kept",
    "list_images",
    "locked",
    "lookalikes",
    "mask_fact",
    "ncsnr_of_repeats",
    "near_miss",
    "number_table",
    "open_image",
    "open_mask",
    "open_npy",
    "open_rgb",
    "other_files",
    "planted",
    "read_cortex",
    "read_images",
    "read_masks",
    "read_number_table",
    "read_numbers",
    "read_rois",
    "read_rows",
    "read_split",
    "refuse_empty",
    "refuse_shuffled",
    "roi_masks",
    "screen",
    "signature",
    "single",
    "small_images",
    "survey",
    "synthetic_cortex",
    "to_rgb",
    "units",
    "write_cortex",
    "write_images",
]

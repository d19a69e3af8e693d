from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainbench import DataError
from brainbench.pipeline.feature_store import CHUNK, FeatureStore, chunks

STIMULI = 150


@pytest.fixture
def stored(tmp_path: Path) -> tuple[FeatureStore, list[np.ndarray], list[np.ndarray]]:
    """A store of two layers in three chunks, and what was written."""
    rng = np.random.default_rng(0)
    local = [rng.normal(size=(STIMULI, c, 2, 3)).astype(np.float16) for c in (4, 5)]
    pooled = [tokens.mean(axis=(2, 3)) for tokens in local]
    store = FeatureStore.create(
        tmp_path / "key", "key", layers=("a", "b"), local=local, stimuli=STIMULI, weights_sha256=None, ingredients={}
    )
    for rows in chunks(STIMULI):
        part = slice(rows.start, rows.stop)
        store.write(rows, [tokens[part] for tokens in local], [tokens[part] for tokens in pooled])
    return store, local, pooled


@pytest.mark.parametrize(
    "rows",
    [[], [149], [0, 1, 2], [CHUNK - 1, CHUNK], [149, 3, 70, 3, 149, 64], list(range(STIMULI))[::-1]],
    ids=["none", "last", "first", "border", "any order", "backwards"],
)
def test_rows_are_read_in_the_order_asked_for(
    stored: tuple[FeatureStore, list[np.ndarray], list[np.ndarray]], rows: list[int]
) -> None:
    store, local, pooled = stored
    asked = np.array(rows, dtype=np.int64)
    for layer in (0, 1):
        read = store.local_tokens(layer, asked)
        np.testing.assert_array_equal(read, local[layer][asked])
        assert read.dtype == np.float16
        np.testing.assert_array_equal(store.global_tokens(layer, asked), pooled[layer][asked])
        np.testing.assert_array_equal(store.global_tokens(layer), pooled[layer])


@pytest.mark.parametrize("part", ["local", "global"])
def test_a_chunk_that_is_removed_while_the_store_is_open_is_not_read_as_zeros(
    stored: tuple[FeatureStore, list[np.ndarray], list[np.ndarray]], part: str
) -> None:
    store, *_ = stored
    for path in store.folder.glob(f"{part}/1/c/1/**/0"):
        if path.is_file():
            path.unlink()
    read = getattr(store, f"{part}_tokens")
    assert len(read(1, np.arange(CHUNK))) == CHUNK
    for rows in (slice(None), np.array([CHUNK])):
        with pytest.raises(
            DataError, match="chunk 1 of .*/1 was removed while it was in use; run the same command again"
        ):
            read(1, rows)

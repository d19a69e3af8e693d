from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brainbench_alignedcut import Concepts, Embedding, discover
from brainbench_alignedcut.discovery import on_one_grid

from brainbench import DataError, StoreError

RNG = np.random.default_rng(0)


def embedding(
    grids: tuple[tuple[int, int], ...] = ((4, 4), (4, 4), (2, 2)), images: int = 3, masks: bool = True
) -> Embedding:
    count = images * sum(h * w for h, w in grids)
    return Embedding(
        title="toy/net, alignedcut, subject 1",
        simulated=True,
        layers=tuple(f"layer{i}" for i in range(len(grids))),
        backbones=("a",) * (len(grids) - 1) + ("b",) if len(grids) > 1 else ("a",),
        grids=np.array(grids),
        images=tuple(f"image{i}" for i in range(images)),
        pictures=RNG.integers(0, 256, (images, 8, 8, 3), dtype=np.uint8),
        vectors=RNG.normal(size=(count, 5)).astype(np.float32),
        values=np.linspace(1, 0.2, 5),
        colours=RNG.integers(0, 256, (count, 3), dtype=np.uint8),
        plane=RNG.normal(size=(count, 2)).astype(np.float32),
        ground=RNG.integers(-1, 2, count).astype(np.int8) if masks else np.full(count, -1, np.int8),
        rois=("V1", "all"),
        activation=RNG.normal(size=(count, 2)).astype(np.float32),
    )


def same(one: object, other: object) -> None:
    assert vars(one).keys() == vars(other).keys()
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, vars(other)[name], err_msg=name)
        assert type(value) is type(vars(other)[name])


def test_nodes_stand_layer_by_layer() -> None:
    made = embedding()
    assert [made.nodes(i) for i in range(3)] == [slice(0, 48), slice(48, 96), slice(96, 108)]
    np.testing.assert_array_equal(made.on_grid(made.colours, 1)[2, 1, 3], made.colours[48 + 2 * 16 + 1 * 4 + 3])
    assert made.stretches() == {"a": [0, 1], "b": [2]}


def test_files_come_back_as_they_were(tmp_path: Path) -> None:
    made = embedding()
    found = discover(made)
    made.save(tmp_path / "new" / "embedding.npz")
    found.save(tmp_path / "concepts.npz")
    same(Embedding.load(tmp_path / "new" / "embedding.npz"), made)
    same(Concepts.load(tmp_path / "concepts.npz"), found)
    before = (tmp_path / "concepts.npz").read_bytes()
    found.save(tmp_path / "concepts.npz")
    assert (tmp_path / "concepts.npz").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["concepts.npz", "new"]


def test_damage_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "embedding.npz"
    with pytest.raises(DataError, match=r"embedding\.npz: no readable embedding file \(FileNotFoundError"):
        Embedding.load(path)
    embedding().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"no readable embedding file \(BadZipFile.*make it again with"):
        Embedding.load(path)
    path.write_bytes(whole[:2000] + bytes(40) + whole[2040:])
    with pytest.raises(DataError, match="no readable embedding file"):
        Embedding.load(path)
    discover(embedding()).save(path)
    with pytest.raises(DataError, match="no readable embedding file"):
        Embedding.load(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(DataError, match="no readable concepts file"):
        Concepts.load(tmp_path / "array.npy")


def test_arrays_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    path, made = tmp_path / "embedding.npz", embedding()
    for wrong, message in [
        ({"plane": made.plane[:-1]}, r"plane has shape \[107, 2\], where M is 108"),
        ({"colours": made.colours[:, 0]}, "colours has 1 dimensions, not 2"),
        ({"grids": np.array([(4, 4), (4, 4), (4, 4)])}, "108 nodes, but images and grids make 144"),
        ({"backbones": ("a",)}, "backbones has 1 names, where layers has 3"),
    ]:
        replace(made, **wrong).save(path)
        with pytest.raises(DataError, match=message):
            Embedding.load(path)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a data file ends in \.npz"):
        embedding().save(tmp_path / "embedding.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another place with --out"):
        embedding().save(tmp_path / "file" / "embedding.npz")


@pytest.mark.parametrize("space", ["colours", "plane", "vectors"])
def test_tokens_are_followed_from_layer_to_layer(space: str) -> None:
    made = embedding(grids=((4, 4), (2, 2), (2, 2)))
    found = discover(made, 3, space)  # type: ignore[arg-type]
    assert found.pairs.tolist() == [[0, 1]]  # the third layer is of another network
    assert found.tables == ("all", "background", "foreground")
    points = np.asarray(getattr(made, space), float)
    labels = []
    for layer in range(2):
        near = np.linalg.norm(made.on_grid(points, layer)[..., None, :] - points[found.centres[layer]], axis=-1)
        labels.append(near.argmin(axis=-1))
    ground = made.on_grid(made.ground, 0)
    for table, value in enumerate([None, 0, 1]):
        counts = np.zeros((3, 3))
        for image in range(3):
            for row in range(4):
                for column in range(4):
                    if value is None or ground[image, row, column] == value:
                        counts[labels[0][image, row, column], labels[1][image, row // 2, column // 2]] += 1
        total = counts.sum(axis=1, keepdims=True)
        expected = np.divide(counts, total, out=np.full((3, 3), np.nan), where=total > 0)
        np.testing.assert_allclose(found.probability[table, 0], expected)
    sums = found.probability.sum(axis=-1)
    np.testing.assert_allclose(sums[~np.isnan(sums)], 1)


def test_grounds_activate_what_their_tokens_do() -> None:
    made = embedding()
    found = discover(made)
    assert found.grounds == ("background", "foreground")
    for layer in range(3):
        inside = made.ground[made.nodes(layer)] == 1
        expected = made.activation[made.nodes(layer)][inside]
        assert found.ground_members[1, layer] == len(expected)
        np.testing.assert_allclose(found.ground_mean[1, layer], expected.mean(axis=0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.ground_sd[1, layer], expected.std(axis=0), rtol=1e-4, atol=1e-6)


def test_without_masks_there_are_no_grounds(tmp_path: Path) -> None:
    found = discover(embedding(grids=((4, 4),), masks=False))
    assert found.grounds == ()
    assert found.ground_mean.shape == (0, 1, 2)
    assert found.probability.shape == (1, 0, 5, 5)
    found.save(tmp_path / "concepts.npz")
    same(Concepts.load(tmp_path / "concepts.npz"), found)


def test_tokens_that_are_all_alike_leave_concepts_out_and_say_so() -> None:
    made = embedding()
    made.colours[made.nodes(1)] = 7
    found = discover(made, 4)
    assert found.centres[1].tolist() == [48, -1, -1, -1]
    assert found.members[1].tolist() == [48, 0, 0, 0]
    assert np.isnan(found.mean[1, 1:]).all()
    assert found.notes == ("Fewer than 4 concepts in layer1: there are no more different tokens.",)
    np.testing.assert_allclose(found.probability[0, 0][:, 0], 1)


def test_labels_meet_on_the_finer_grid() -> None:
    labels = np.arange(6).reshape(1, 2, 3)
    np.testing.assert_array_equal(on_one_grid(labels, (4, 6))[0], np.kron(labels[0], np.ones((2, 2), int)))

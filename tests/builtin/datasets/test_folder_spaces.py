from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from folders import AFFINE, open_folder, responses_of, write_gifti, write_images, write_mgh, write_nifti, write_table
from nilearn.maskers import NiftiMasker

from brainbench import DataError, Responses
from brainbench.datasets import read_cortex, write_cortex

Spoil = Callable[[Path], Any]
SHAPE = (5, 4, 3)
MESH = 162  # vertices a side of an icosphere of order 2


@pytest.fixture
def mask() -> np.ndarray:
    return np.random.default_rng(0).random(SHAPE) < 0.4


@pytest.fixture
def volume(tmp_path: Path, mask: np.ndarray) -> Path:
    """An experiment with a volume's mask and responses of its voxels."""
    root = tmp_path / "data"
    write_images(root / "images", 30)
    write_nifti(root / "mask.nii.gz", mask.astype(np.uint8))
    np.save(root / "responses.npy", np.random.default_rng(1).normal(size=(30, mask.sum())).astype(np.float32))
    return root


@pytest.fixture
def sides() -> dict[str, np.ndarray]:
    """Responses of thirty images at every vertex."""
    noise = np.random.default_rng(2)
    return {side: noise.normal(size=(30, MESH)).astype(np.float32) for side in ("lh", "rh")}


@pytest.fixture
def chosen() -> dict[str, np.ndarray]:
    noise = np.random.default_rng(3)
    return {side: noise.random(MESH) < 0.3 for side in ("lh", "rh")}


@pytest.fixture
def surface(tmp_path: Path, sides: dict[str, np.ndarray], chosen: dict[str, np.ndarray]) -> Path:
    """An experiment with a mesh, masks of both hemispheres and responses in MGH files of the whole mesh."""
    root = tmp_path / "data"
    write_images(root / "images", 30)
    write_cortex(root / "surface", 2)
    for side in ("lh", "rh"):
        write_mgh(root / f"{side}.mask.mgz", chosen[side].astype(np.float32))
        write_mgh(root / f"{side}.responses.mgh", sides[side])
    return root


def expected(sides: dict[str, np.ndarray], chosen: dict[str, np.ndarray]) -> np.ndarray:
    return np.hstack([sides[side][:, chosen[side]] for side in ("lh", "rh")])


def drop(root: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in root.glob(pattern):
            path.unlink()


def check_surface(found: Responses, root: Path, chosen: dict[str, np.ndarray]) -> None:
    left, right = (np.flatnonzero(chosen[side]) for side in ("lh", "rh"))
    assert found.surface is not None
    assert found.surface.mesh == "synthetic, order 2"
    np.testing.assert_array_equal(found.surface.vertex, np.concatenate([left, right]))
    assert found.surface.hemisphere.tolist() == ["left"] * len(left) + ["right"] * len(right)
    cortex = read_cortex(root / "surface")
    assert found.coordinates is not None
    np.testing.assert_allclose(found.coordinates[: len(left), 1:], cortex.left[left, 1:], rtol=1e-6)
    np.testing.assert_allclose(found.coordinates[len(left) :, 1:], cortex.right[right, 1:], rtol=1e-6)
    assert found.coordinates[: len(left), 0].max() < found.coordinates[len(left) :, 0].min()


def test_the_voxels_of_a_mask_are_those_of_nilearn(volume: Path, mask: np.ndarray) -> None:
    values = np.random.default_rng(4).normal(size=(*SHAPE, 30)).astype(np.float32)
    masked = NiftiMasker(nibabel.Nifti1Image(mask.astype(np.uint8), AFFINE), standardize=None)
    np.save(volume / "responses.npy", masked.fit_transform(nibabel.Nifti1Image(values, AFFINE)))
    before = responses_of(open_folder(volume))
    (volume / "responses.npy").unlink()
    write_nifti(volume / "responses.nii.gz", values)
    after = responses_of(open_folder(volume))
    np.testing.assert_array_equal(before.values, after.values)
    np.testing.assert_array_equal(after.values, values[mask].T)
    assert before.key == after.key
    places = [AFFINE @ [i, j, k, 1] for i, j, k in zip(*mask.nonzero(), strict=True)]
    np.testing.assert_allclose(after.coordinates, np.array(places)[:, :3])


@pytest.mark.parametrize("name", ["responses.nii", "responses.nii.gz"])
def test_scaled_integers_are_read_in_blocks(
    volume: Path, mask: np.ndarray, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brainbench.datasets.sources._BLOCK", 3 * mask.sum())
    monkeypatch.setattr("brainbench.builtin.datasets.folder.neuroimaging._BLOCK", 4 * mask.size)
    stored = np.random.default_rng(4).integers(-900, 900, (*SHAPE, 30)).astype(np.int16)
    image = nibabel.Nifti1Image(stored, AFFINE)
    image.header.set_slope_inter(1 / 300, 0)
    (volume / "responses.npy").unlink()
    image.to_filename(volume / name)
    np.testing.assert_allclose(responses_of(open_folder(volume)).values, stored[mask].T / 300, rtol=1e-5)


def test_coordinates_of_a_file_win_over_the_mask(volume: Path, mask: np.ndarray) -> None:
    np.save(volume / "coordinates.npy", np.full((mask.sum(), 3), 7.0))
    found = responses_of(open_folder(volume))
    assert found.coordinates is not None
    assert (found.coordinates == 7).all()


def test_rois_of_a_volume_are_joined(volume: Path, mask: np.ndarray) -> None:
    noise = np.random.default_rng(6)
    labels, ffa = noise.integers(0, 5, SHAPE), noise.random(SHAPE) < 0.5
    write_nifti(volume / "rois.nii.gz", labels.astype(np.int16))
    write_table(volume / "rois.tsv", "value,roi", "1,V1v", "2,V1d", "4,V4")
    write_nifti(volume / "rois/FFA.nii.gz", ffa.astype(np.float32))
    write_nifti(volume / "rois/hV4.nii", (labels == 3).astype(np.uint8))
    found = responses_of(open_folder(volume)).rois
    wanted = {"V1": np.isin(labels, (1, 2)), "hV4": np.isin(labels, (3, 4)), "FFA": ffa}
    assert found.keys() == wanted.keys()
    for name, region in wanted.items():
        np.testing.assert_array_equal(found[name], region[mask])


def test_surface_responses_of_the_whole_mesh_are_masked(
    surface: Path, sides: dict[str, np.ndarray], chosen: dict[str, np.ndarray]
) -> None:
    found = responses_of(open_folder(surface))
    np.testing.assert_array_equal(found.values, expected(sides, chosen))
    check_surface(found, surface, chosen)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mgz", "gii", "npy"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("masks", ["mgz", "gii", "mgh"])
def test_every_surface_format_gives_the_same(
    surface: Path, sides: dict[str, np.ndarray], chosen: dict[str, np.ndarray], suffix: str, masked: bool, masks: str
) -> None:
    wanted = responses_of(open_folder(surface))
    drop(surface, "?h.responses.mgh", "?h.mask.mgz")
    for side in ("lh", "rh"):
        values = sides[side][:, chosen[side]] if masked else sides[side]
        {"mgz": write_mgh, "gii": write_gifti, "npy": np.save}[suffix](surface / f"{side}.responses.{suffix}", values)
        (write_gifti if masks == "gii" else write_mgh)(surface / f"{side}.mask.{masks}", chosen[side].astype(float))
    found = responses_of(open_folder(surface))
    np.testing.assert_array_equal(found.values, wanted.values)
    assert found.key == wanted.key


def test_one_file_of_masked_vertices_and_a_table_of_vertices(
    surface: Path, sides: dict[str, np.ndarray], chosen: dict[str, np.ndarray]
) -> None:
    wanted = responses_of(open_folder(surface))
    drop(surface, "?h.*")
    np.save(surface / "responses.npy", expected(sides, chosen))
    lines = [
        f"{word},{vertex}" for side, word in (("lh", "left"), ("rh", "right")) for vertex in chosen[side].nonzero()[0]
    ]
    write_table(surface / "vertices.tsv", "hemisphere,vertex", *lines)
    found = responses_of(open_folder(surface))
    np.testing.assert_array_equal(found.values, wanted.values)
    check_surface(found, surface, chosen)
    # In any other order too, as the responses are.
    shuffled = np.random.default_rng(0).permutation(len(lines))
    np.save(surface / "responses.npy", expected(sides, chosen)[:, shuffled])
    write_table(surface / "vertices.tsv", "hemisphere,vertex", *(lines[index] for index in shuffled))
    again = responses_of(open_folder(surface))
    np.testing.assert_array_equal(again.coordinates, np.asarray(found.coordinates)[shuffled])


def test_without_masks_every_vertex_is_a_voxel(surface: Path, sides: dict[str, np.ndarray]) -> None:
    drop(surface, "?h.mask.mgz")
    found = responses_of(open_folder(surface))
    np.testing.assert_array_equal(found.values, np.hstack([sides["lh"], sides["rh"]]))
    check_surface(found, surface, dict.fromkeys(("lh", "rh"), np.ones(MESH, bool)))


def test_without_a_mesh_there_are_no_coordinates(
    surface: Path, sides: dict[str, np.ndarray], chosen: dict[str, np.ndarray]
) -> None:
    shutil.rmtree(surface / "surface")
    found = responses_of(open_folder(surface))
    np.testing.assert_array_equal(found.values, expected(sides, chosen))
    assert found.coordinates is None
    assert found.surface is None


def test_the_mesh_may_be_one_by_name(surface: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(surface.parent / "home"))
    shutil.rmtree(surface / "surface")
    drop(surface, "?h.*")
    write_table(surface / "dataset.toml", 'mesh = "fsaverage5"')
    write_table(surface / "vertices.csv", "hemisphere,vertex", "left,0", "right,10241", "left,77")
    np.save(surface / "responses.npy", np.random.default_rng(0).normal(size=(30, 3)))
    found = responses_of(open_folder(surface))
    assert found.surface is not None
    assert (found.surface.mesh, found.surface.vertex.tolist()) == ("fsaverage5", [0, 10241, 77])
    assert found.coordinates is not None
    assert (np.sign(found.coordinates[:, 0]) == [-1, 1, -1]).all()


def test_rois_of_a_surface(surface: Path, chosen: dict[str, np.ndarray]) -> None:
    noise = np.random.default_rng(6)
    left, right, both = noise.random(MESH) < 0.5, noise.random(MESH) < 0.5, noise.random(2 * MESH) < 0.5
    write_mgh(surface / "rois/lh.V4.mgz", left.astype(float))
    write_gifti(surface / "rois/rh.V4.gii", right.astype(float))
    write_mgh(surface / "rois/rh.FFA.mgh", right.astype(float))
    write_gifti(surface / "rois/EBA.gii", both.astype(float))
    write_table(surface / "rois.csv", "voxel,roi", "0,PPA")
    found = responses_of(open_folder(surface)).rois
    here = np.concatenate([chosen["lh"], chosen["rh"]])
    wanted = {
        "hV4": np.concatenate([left, right])[here],
        "FFA": np.concatenate([left & False, right])[here],
        "EBA": both[here],
        "PPA": np.arange(here.sum()) == 0,
    }
    assert found.keys() == wanted.keys()
    for name, region in wanted.items():
        np.testing.assert_array_equal(found[name], region, err_msg=name)


def test_the_sides_of_a_native_surface_differ_in_size(tmp_path: Path) -> None:
    root, noise = tmp_path / "data", np.random.default_rng(7)
    write_images(root / "images", 30)
    sizes = {"lh": 40, "rh": 50}
    values = {side: noise.normal(size=(30, size)).astype(np.float32) for side, size in sizes.items()}
    masks = {side: noise.random(size) < 0.5 for side, size in sizes.items()}
    region = {side: noise.random(size) < 0.5 for side, size in sizes.items()}
    for side in sizes:
        write_mgh(root / f"{side}.responses.mgh", values[side])
        write_mgh(root / f"{side}.mask.mgz", masks[side].astype(float))
        write_mgh(root / f"rois/{side}.V4.mgz", region[side].astype(float))
    write_mgh(root / "rois/FFA.mgz", np.concatenate(list(region.values())).astype(float))
    found = responses_of(open_folder(root))
    np.testing.assert_array_equal(found.values, expected(values, masks))
    wanted = np.concatenate([region[side][masks[side]] for side in sizes])
    np.testing.assert_array_equal(found.rois["hV4"], wanted)
    np.testing.assert_array_equal(found.rois["FFA"], wanted)


def test_the_version_follows_masks_rois_and_mesh(surface: Path) -> None:
    write_mgh(surface / "rois/lh.V4.mgz", np.ones(MESH))
    versions = {open_folder(surface).version}
    write_mgh(surface / "rois/lh.V4.mgz", np.arange(MESH))
    versions.add(open_folder(surface).version)
    mask = np.ones(MESH)
    mask[5] = 0
    write_mgh(surface / "lh.mask.mgz", mask)
    versions.add(open_folder(surface).version)
    points, faces = nibabel.freesurfer.read_geometry(next(surface.glob("surface/**/lh.inflated")))
    nibabel.freesurfer.write_geometry(next(surface.glob("surface/**/lh.inflated")), points + 1, faces)
    versions.add(open_folder(surface).version)
    assert len(versions) == 4


def cut(path: Path, share: float = 0.6) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def volume_responses(root: Path, shape: tuple[int, ...] = (*SHAPE, 30), name: str = "responses.nii") -> None:
    drop(root, "responses.*")
    write_nifti(root / name, np.random.default_rng(0).normal(size=shape).astype(np.float32))


def broken_gzip(root: Path) -> None:
    """Whole as far as the header goes: found out when the figures are read."""
    volume_responses(root)
    packed = gzip.compress((root / "responses.nii").read_bytes())
    (root / "responses.nii").unlink()
    (root / "responses.nii.gz").write_bytes(packed[: len(packed) // 2])


BAD_VOLUMES: dict[str, tuple[Spoil, str]] = {
    "other voxels": (
        lambda root: write_nifti(root / "mask.nii.gz", np.ones(SHAPE, np.uint8)),
        r"mask\.nii\.gz says 60 voxels, but .*responses\.npy has",
    ),
    "surface for a volume": (
        lambda root: write_nifti(root / "mask.nii.gz", np.ones((60, 1, 1), np.uint8)),
        r"mask\.nii\.gz has shape \(60, 1, 1\): that is surface data, where a volume",
    ),
    "empty mask": (
        lambda root: write_nifti(root / "mask.nii.gz", np.zeros(SHAPE)),
        r"mask\.nii\.gz is zero everywhere",
    ),
    "mask of four axes": (
        lambda root: write_nifti(root / "mask.nii.gz", np.ones((*SHAPE, 2))),
        r"shape \(5, 4, 3, 2\), expected one volume of three axes",
    ),
    "truncated mask": (lambda root: cut(root / "mask.nii.gz"), r"mask\.nii\.gz cannot be read as NIfTI, MGH or GIFTI"),
    "truncated responses": (
        lambda root: (volume_responses(root), cut(root / "responses.nii")),
        r"responses\.nii is truncated: \d+ of \d+ bytes",
    ),
    "truncated gzip": (broken_gzip, r"responses\.nii\.gz cannot be read as NIfTI"),
    "responses of another shape": (
        lambda root: volume_responses(root, (5, 4, 4, 30)),
        r"responses\.nii is on another grid \(5 x 4 x 4 .*\) than mask\.nii\.gz \(5 x 4 x 3 .*resample mask\.nii\.gz",
    ),
    "stimuli along the first axis": (
        lambda root: volume_responses(root, (30, *SHAPE)),
        r"responses\.nii has shape \(30, 5, 4, 3\): its stimuli go along the first axis; write them along the last",
    ),
    "packed under a plain name": (
        lambda root: (broken_gzip(root), (root / "responses.nii.gz").rename(root / "responses.nii")),
        r"responses\.nii cannot be read as .*: it is gzip data, and not what its name says: rename it",
    ),
    "too few volumes": (lambda root: volume_responses(root, (*SHAPE, 29)), r"responses\.nii has 29 rows"),
    "no mask": (
        lambda root: (volume_responses(root), (root / "mask.nii.gz").unlink()),
        r"responses\.nii is a volume, and needs mask\.nii or mask\.nii\.gz beside it",
    ),
    "two masks": (
        lambda root: write_nifti(root / "mask.nii", np.ones(SHAPE)),
        r"holds both mask\.nii and mask\.nii\.gz",
    ),
    "two responses": (
        lambda root: write_nifti(root / "responses.nii", np.ones((*SHAPE, 30))),
        r"holds both responses\.npy and responses\.nii",
    ),
    "mask and vertices": (
        lambda root: write_table(root / "vertices.csv", "hemisphere,vertex", "left,1"),
        r"holds mask\.nii\.gz and vertices\.csv: keep the one",
    ),
    "surface responses": (
        lambda root: (
            [write_mgh(root / f"{side}.responses.mgh", np.ones((30, 9))) for side in ("lh", "rh")]
            and drop(root, "responses.*")
        ),
        r"lh\.responses\.mgh is of a surface, but mask\.nii\.gz of a volume",
    ),
    "roi of another shape": (
        lambda root: write_nifti(root / "rois/V1.nii.gz", np.ones((5, 4, 4))),
        r"V1\.nii\.gz is on another grid \(5 x 4 x 4 .* than mask\.nii\.gz \(5 x 4 x 3 .*resample V1\.nii\.gz",
    ),
    "roi of a surface": (
        lambda root: write_mgh(root / "rois/lh.V1.mgz", np.ones(60)),
        r"rois/lh\.V1\.mgz is of a surface, but mask\.nii\.gz of a volume",
    ),
    "no roi": (lambda root: write_table(root / "rois/V1.txt", "1"), r"V1\.txt is no mask: rois/ holds \.nii\.gz"),
    "roi without a space": (
        lambda root: (write_nifti(root / "rois/V1.nii.gz", np.ones(SHAPE)), (root / "mask.nii.gz").unlink()),
        r"rois/V1\.nii\.gz needs mask\.nii\.gz, or a surface/",
    ),
    "labels without names": (
        lambda root: write_nifti(root / "rois.nii.gz", np.ones(SHAPE)),
        r"rois\.nii\.gz needs rois\.csv \(columns value, roi\)",
    ),
    "labels of another shape": (
        lambda root: (
            write_nifti(root / "rois.nii.gz", np.ones((5, 4, 4))),
            write_table(root / "rois.csv", "value,roi", "1,V1"),
        ),
        r"rois\.nii\.gz is on another grid \(5 x 4 x 4 ",
    ),
    "endless coordinates": (
        lambda root: np.save(root / "coordinates.npy", np.full((np.load(root / "responses.npy").shape[1], 3), np.nan)),
        r"voxels without finite coordinates",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_VOLUMES.values(), ids=BAD_VOLUMES.keys())
def test_bad_volumes_are_one_line(volume: Path, spoil: Spoil, message: str) -> None:
    spoil(volume)
    with pytest.raises(DataError, match=message) as caught:
        open_folder(volume).responses("1")
    assert "\n" not in str(caught.value)


BAD_SURFACES: dict[str, tuple[Spoil, str]] = {
    "one hemisphere of responses": (
        lambda root: drop(root, "rh.responses.mgh"),
        r"no .*rh\.responses\.mgh, though lh\.responses\.mgh is there: both hemispheres",
    ),
    "one hemisphere of the mask": (lambda root: drop(root, "lh.mask.mgz"), r"no .*lh\.mask\.mgz, though rh\.mask\.mgz"),
    "volume for a mask": (
        lambda root: write_mgh(root / "lh.mask.mgz", np.ones((6, 9, 3))),
        r"lh\.mask\.mgz has shape \(6, 9, 3\): that is a volume, where surface data",
    ),
    "volume for responses": (
        lambda root: write_mgh(root / "lh.responses.mgh", np.ones((6, 9, 3, 30))),
        r"lh\.responses\.mgh has shape \(6, 9, 3, 30\): that is a volume",
    ),
    "truncated responses": (
        lambda root: cut(root / "rh.responses.mgh"),
        r"rh\.responses\.mgh is truncated: \d+ of \d+ bytes",
    ),
    "truncated mask": (lambda root: cut(root / "rh.mask.mgz", 0.8), r"rh\.mask\.mgz cannot be read as NIfTI, MGH"),
    "other mesh": (
        lambda root: write_mgh(root / "lh.mask.mgz", np.ones(MESH + 1)),
        r"lh\.mask\.mgz has 163 vertices, but .*surface has 162 a side",
    ),
    "other vertices": (
        lambda root: write_mgh(root / "lh.responses.mgh", np.ones((30, 9))),
        r"lh\.responses\.mgh has 9 vertices, expected 162 \(the mesh\) or \d+ \(those in lh\.mask\.mgz\)",
    ),
    "other rows": (
        lambda root: write_mgh(root / "rh.responses.mgh", np.ones((29, MESH))),
        r"rh\.responses\.mgh has 29 rows",
    ),
    "two formats": (
        lambda root: write_gifti(root / "lh.mask.gii", np.ones(MESH)),
        r"holds both lh\.mask\.mgz and lh\.mask\.gii",
    ),
    "whole and sides": (
        lambda root: np.save(root / "responses.npy", np.ones((30, 9))),
        r"holds both responses\.npy and lh\.responses\.mgh",
    ),
    "volume beside a surface": (
        lambda root: (drop(root, "?h.responses.mgh"), write_nifti(root / "responses.nii", np.ones((*SHAPE, 30)))),
        r"responses\.nii is a volume, but lh\.mask\.mgz is of a surface",
    ),
    "empty masks": (
        lambda root: [write_mgh(root / f"{side}.mask.mgz", np.zeros(MESH)) for side in ("lh", "rh")],
        r"lh\.mask\.mgz is zero everywhere",
    ),
    "roi of another mesh": (
        lambda root: write_mgh(root / "rois/lh.V1.mgz", np.ones(99)),
        r"rois/lh\.V1\.mgz has 99 vertices, but the left side of the mesh has 162",
    ),
    "roi of both sides": (
        lambda root: write_mgh(root / "rois/V1.mgz", np.ones(99)),
        r"rois/V1\.mgz has 99 vertices, but both sides of the mesh together 324: name a file of one side lh\. or rh\.",
    ),
    "volume for a roi": (
        lambda root: write_nifti(root / "rois/V1.nii.gz", np.ones(SHAPE)),
        r"rois/V1\.nii\.gz is a volume, but the voxels lie on a surface",
    ),
    "mesh for a roi": (
        lambda root: (root / "rois").mkdir() or write_gifti(root / "rois/lh.V1.gii", np.ones((2, MESH))),
        r"rois/lh\.V1\.gii holds 2 figures a vertex, expected one",
    ),
    "no surface": (lambda root: shutil.rmtree(root / "surface") or (root / "surface").mkdir(), r"surface holds no"),
    "mesh twice": (
        lambda root: write_table(root / "dataset.toml", 'mesh = "fsaverage5"'),
        r"surface is there, and dataset\.toml names mesh 'fsaverage5' too",
    ),
    "unknown mesh": (
        lambda root: write_table(root / "dataset.toml", 'mesh = "mni"'),
        r"dataset\.toml: mesh 'mni'; allowed is fsaverage5, any other goes into a folder surface/",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_SURFACES.values(), ids=BAD_SURFACES.keys())
def test_bad_surfaces_are_one_line(surface: Path, spoil: Spoil, message: str) -> None:
    spoil(surface)
    with pytest.raises(DataError, match=message) as caught:
        open_folder(surface).responses("1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["lh,3"], r"vertices\.csv, line 2: hemisphere 'lh'; allowed are left, right"),
        (["left,3", "right,162"], r"vertices\.csv, line 3: no vertex 162; .* has vertices 0 to 161 a side"),
        (["left,-1"], r"line 2: no vertex -1"),
        (["left,1"], r"vertices\.csv says 1 voxels, but .*responses\.npy has 2"),
    ],
)
def test_bad_tables_of_vertices_are_one_line(surface: Path, lines: list[str], message: str) -> None:
    drop(surface, "?h.*")
    np.save(surface / "responses.npy", np.random.default_rng(0).normal(size=(30, 2)))
    write_table(surface / "vertices.csv", "hemisphere,vertex", *lines)
    with pytest.raises(DataError, match=message):
        open_folder(surface)


def test_vertices_need_a_mesh_and_the_left_side_first(surface: Path, chosen: dict[str, np.ndarray]) -> None:
    drop(surface, "?h.mask.mgz")
    write_table(surface / "vertices.csv", "hemisphere,vertex", "right,1", "left,1")
    with pytest.raises(
        DataError, match=r"vertices\.csv: with lh\.responses\.mgh, the left hemisphere's vertices come first"
    ):
        open_folder(surface)
    shutil.rmtree(surface / "surface")
    with pytest.raises(DataError, match=r"vertices\.csv is about a mesh: give it as surface/, or name it"):
        open_folder(surface)

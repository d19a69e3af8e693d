from __future__ import annotations

import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.freesurfer.io import read_geometry, write_geometry
from nibabel.freesurfer.mghformat import MGHImage
from nibabel.gifti import GiftiDataArray, GiftiImage
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_mesh

from brainbench import DataError, UsageError
from brainbench.datasets import Cortex, find_cortex, read_cortex, synthetic_cortex, write_cortex
from brainbench.datasets.icosphere import icosphere

FACES = np.array([[0, 1, 2], [0, 2, 3]])


@pytest.fixture(autouse=True)
def nothing_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NILEARN_DATA", "NILEARN_SHARED_DATA", "SUBJECTS_DIR"):
        monkeypatch.delenv(name, raising=False)


def points(count: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 30, (count, 3)).astype(np.float32)


def freesurfer(folder: Path, left: np.ndarray, right: np.ndarray, shape: str = "inflated") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for side, vertices in (("lh", left), ("rh", right)):
        write_geometry(folder / f"{side}.{shape}", vertices, FACES, create_stamp="made by a test")
    return folder


def gifti(folder: Path, left: np.ndarray, right: np.ndarray, shape: str = "infl", ending: str = "gii.gz") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for side, vertices in (("left", left), ("right", right)):
        arrays = [
            GiftiDataArray(vertices, intent="NIFTI_INTENT_POINTSET", datatype="NIFTI_TYPE_FLOAT32"),
            GiftiDataArray(FACES.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE", datatype="NIFTI_TYPE_INT32"),
        ]
        nibabel.save(GiftiImage(darrays=arrays), folder / f"{shape}_{side}.{ending}")
    return folder


@pytest.mark.parametrize("order", range(5))
def test_the_icosphere_is_a_closed_even_sphere(order: int) -> None:
    vertices, faces = icosphere(order)
    edges = {frozenset(pair) for a, b, c in faces.tolist() for pair in ((a, b), (b, c), (c, a))}
    assert len(vertices) == 10 * 4**order + 2
    assert len(vertices) - len(edges) + len(faces) == 2  # Euler
    assert len(edges) == 3 * len(faces) / 2  # closed: every edge has two triangles
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1)
    assert len(np.unique(vertices.round(6), axis=0)) == len(vertices)
    # All triangles look outwards and are nearly of one size; together they nearly are the sphere.
    a, b, c = vertices[faces].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    assert ((normal * a).sum(axis=1) > 0).all()
    areas = np.linalg.norm(normal, axis=1) / 2
    assert areas.max() / areas.min() < 2.2
    assert areas.sum() == pytest.approx(4 * np.pi, rel=0.3 / 3**order + 0.01)


def test_a_synthetic_cortex_has_two_mirrored_sides_and_says_what_it_is(tmp_path: Path) -> None:
    write_cortex(tmp_path / "fsaverage", 2)
    sphere, inflated = (read_cortex(tmp_path, shape) for shape in ("sphere", "inflated"))
    assert (sphere.name, sphere.vertices) == ("synthetic, order 2", 162)
    np.testing.assert_allclose(np.linalg.norm(sphere.left, axis=1), 100, rtol=1e-5)
    np.testing.assert_allclose(inflated.right, inflated.left * [-1, 1, 1])
    assert np.abs(inflated.left - sphere.left).max() > 10
    np.testing.assert_array_equal(synthetic_cortex(2, "sphere").left, sphere.left)
    np.testing.assert_array_equal(synthetic_cortex(2).right, inflated.right)
    assert synthetic_cortex(2).name == inflated.name
    # Seen outwards on both sides, as FreeSurfer's are.
    for side in ("lh", "rh"):
        vertices, faces = read_geometry(tmp_path / "fsaverage/surf" / f"{side}.sphere")
        a, b, c = vertices[faces].transpose(1, 0, 2)
        assert ((np.cross(b - a, c - a) * a).sum(axis=1) > 0).all()
    assert "nobody's brain" in (tmp_path / "fsaverage/README").read_text()
    with pytest.raises(UsageError, match="no synthetic cortex of order 8: 0 to 7 are allowed"):
        write_cortex(tmp_path / "large", 8)


def test_a_synthetic_cortex_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_cortex(tmp_path / name, 1)
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.parametrize("named", ["subjects", "subjects/fsaverage", "subjects/fsaverage/surf"])
def test_a_freesurfer_folder_may_be_named_at_any_level(tmp_path: Path, named: str) -> None:
    left, right = points(seed=1), points(seed=2)
    freesurfer(tmp_path / "subjects/fsaverage/surf", left, right)
    cortex = read_cortex(tmp_path / named)
    np.testing.assert_array_equal(cortex.left, left)
    np.testing.assert_array_equal(cortex.right, right)


@pytest.mark.parametrize("ending", ["gii.gz", "gii"])
def test_gifti_files_are_read_under_the_names_of_nilearn(tmp_path: Path, ending: str) -> None:
    left, right = points(seed=1), points(seed=2)
    gifti(tmp_path, left, right, ending=ending)
    gifti(tmp_path, left * 2, right * 2, "sphere", ending)
    cortex = read_cortex(tmp_path)
    np.testing.assert_array_equal(cortex.left, left)
    np.testing.assert_array_equal(read_cortex(tmp_path, "sphere").right, right * 2)
    assert cortex.name == tmp_path.name


def test_sides_are_set_apart_and_keep_their_shape() -> None:
    left, right = points(50, 1), points(50, 2)
    cortex = Cortex("x", left, right)
    hemisphere = np.array(["right", "left", "right", "left", "left"])
    vertex = np.array([3, 3, 49, 0, 7])
    found = cortex.coordinates(hemisphere, vertex)
    assert found.dtype == np.float32
    everything = cortex.coordinates(np.repeat(["left", "right"], 50), np.tile(np.arange(50), 2))
    assert everything[:50, 0].max() == pytest.approx(-5, abs=1e-4)
    assert everything[50:, 0].min() == pytest.approx(5, abs=1e-4)
    for row, (side, number) in enumerate(zip(hemisphere, vertex, strict=True)):
        np.testing.assert_array_equal(found[row], everything[number + 50 * (side == "right")])
    np.testing.assert_array_equal(everything[:50, 1:], left[:, 1:])
    np.testing.assert_allclose(np.diff(everything[50:, 0]), np.diff(right[:, 0]), atol=1e-4)
    with pytest.raises(DataError, match="no vertex 50 of the right hemisphere on x: it has vertices 0 to 49 a side"):
        cortex.coordinates(np.array(["left", "right"]), np.array([1, 50]))


def test_what_is_bundled_is_found_and_equals_what_nilearn_reads() -> None:
    cortex = find_cortex("", 10242, "inflated", "the experiment")
    assert cortex is not None
    assert cortex.name == "fsaverage5"
    files = fetch_surf_fsaverage("fsaverage5")
    np.testing.assert_array_equal(cortex.left, load_surf_mesh(files["infl_left"]).coordinates)
    np.testing.assert_array_equal(cortex.right, load_surf_mesh(files["infl_right"]).coordinates)


def test_without_a_surface_of_that_size_there_is_none() -> None:
    assert find_cortex("", 163842, "inflated", "the experiment") is None
    assert find_cortex("", 1000, "inflated", "the experiment") is None


@pytest.mark.parametrize("variable", ["HOME", "NILEARN_DATA", "NILEARN_SHARED_DATA", "SUBJECTS_DIR"])
def test_the_usual_places_are_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "place") if "NILEARN" not in variable else f"/gone:{tmp_path}/place")
    folder = tmp_path / "place" / ("nilearn_data" if variable == "HOME" else "") / "fsaverage4"
    if variable == "SUBJECTS_DIR":
        write_cortex(folder, 4)
    else:
        gifti(folder, points(2562, 1), points(2562, 2))
    cortex = find_cortex("", 2562, "inflated", "the experiment")
    assert cortex is not None
    assert cortex.vertices == 2562
    assert cortex.name == ("synthetic, order 4" if variable == "SUBJECTS_DIR" else "fsaverage4")


def test_a_usual_place_with_another_mesh_is_passed_over(tmp_path: Path) -> None:
    gifti(tmp_path / "home/nilearn_data/fsaverage5", points(), points())
    cortex = find_cortex("", 10242, "inflated", "the experiment")
    assert cortex is not None
    assert cortex.vertices == 10242


def test_what_was_named_has_to_fit(tmp_path: Path) -> None:
    write_cortex(tmp_path, 3)
    found = find_cortex(str(tmp_path), 642, "sphere", "the experiment")
    assert found is not None
    assert found.vertices == 642
    with pytest.raises(
        DataError, match=r"\(synthetic, order 3\) has 642 vertices a side, but the data has 163,842: give"
    ):
        find_cortex(str(tmp_path), 163842, "sphere", "the data")
    with pytest.raises(DataError, match="no folder .*nowhere: a surface is given as a FreeSurfer folder"):
        find_cortex(str(tmp_path / "nowhere"), 642, "sphere", "the data")


def cut(path: Path, share: float = 0.6) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def hole(vertices: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(vertices))[:, None] == 2, np.float32(np.nan), vertices)


def test_bad_surfaces_are_named(tmp_path: Path) -> None:
    volume = tmp_path / "T1.mgz"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nibabel.save(MGHImage(np.zeros((4, 4, 4), np.float32), np.eye(4)), volume)
    with pytest.raises(DataError, match="T1.mgz is one file: a surface is given as a FreeSurfer folder"):
        read_cortex(volume)
    surf = freesurfer(tmp_path / "volume", points(), points())
    (surf / "rh.inflated").write_bytes(volume.read_bytes())
    with pytest.raises(DataError, match="rh.inflated is damaged or no surface"):
        read_cortex(surf)
    surf = freesurfer(tmp_path / "side", points(), points())
    (surf / "rh.inflated").unlink()
    with pytest.raises(DataError, match="no .*rh.inflated, though lh.inflated is there: both hemispheres are needed"):
        read_cortex(surf)
    with pytest.raises(
        DataError, match=r"side holds no sphere surface: it must be a FreeSurfer folder \(surf/lh.sphere"
    ):
        read_cortex(surf, "sphere")
    surf = freesurfer(tmp_path / "meshes", points(), points(5))
    with pytest.raises(DataError, match=r"lh.inflated has 4 vertices, .*rh.inflated 5: they are of different meshes"):
        read_cortex(surf)
    surf = freesurfer(tmp_path / "nan", points(), hole(points()))
    with pytest.raises(DataError, match="rh.inflated: 1 of 4 vertices have no finite coordinates"):
        read_cortex(surf)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", ["lh.inflated", "infl_left.gii.gz", "infl_left.gii"])
def test_truncated_files_are_named(tmp_path: Path, name: str, share: float) -> None:
    if name.startswith("lh"):
        freesurfer(tmp_path, points(), points())
    else:
        gifti(tmp_path, points(), points(), ending=name.partition(".")[2])
    cut(tmp_path / name, share)
    with pytest.raises(DataError, match=f"{name} is damaged or no surface .*copy it again") as problem:
        read_cortex(tmp_path)
    assert "\n" not in str(problem.value)


def test_a_gifti_file_without_vertices_is_no_surface(tmp_path: Path) -> None:
    gifti(tmp_path, points(), points())
    array = GiftiDataArray(np.zeros(4, np.float32), intent="NIFTI_INTENT_SHAPE", datatype="NIFTI_TYPE_FLOAT32")
    nibabel.save(GiftiImage(darrays=[array]), tmp_path / "infl_left.gii.gz")
    with pytest.raises(DataError, match="infl_left.gii.gz holds no surface"):
        read_cortex(tmp_path)

"""One experiment, written in every format and orientation that is read, is one experiment."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
import zarr
from folders import AFFINE, open_folder, responses_of, write_gifti, write_images, write_mgh, write_nifti
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import apply_orientation, inv_ornt_aff

from brainbench import DataError, run
from brainbench.builtin.datasets.folder.formats import READERS
from brainbench.builtin.datasets.folder.layout import ARRAYS
from brainbench.util.files import remove

ROWS, VOXELS, SHAPE = 30, 10, (5, 4, 3)
VALUES = np.random.default_rng(1).normal(size=(ROWS, VOXELS)).astype(np.float32)
FRAME = pd.DataFrame(VALUES, columns=[f"v{voxel}" for voxel in range(VOXELS)])
Write = Callable[[Path], Any]


def save_hdf5(path: Path, key: str = "betas") -> None:
    with h5py.File(path, "w") as file:
        file[key] = VALUES


def save_mat_73(path: Path) -> None:
    """As MATLAB writes it: HDF5 behind a header of 512 bytes, axes from the other end, texts and cells beside."""
    with h5py.File(path, "w", userblock_size=512) as file:
        betas = file.create_dataset("betas", data=VALUES.T)
        betas.attrs["MATLAB_class"] = np.bytes_("single")
        text = file.create_dataset("subject", data=np.array([[115], [49]], np.uint16))
        text.attrs["MATLAB_class"] = np.bytes_("char")
        file.create_dataset("tr", data=np.array([[1.6]])).attrs["MATLAB_class"] = np.bytes_("double")
        file.create_dataset("#refs#/a", data=np.zeros((3, 3))).attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" "))


def save_zarr_group(path: Path) -> None:
    group = zarr.open_group(path, mode="w")
    group.create_array("responses", data=VALUES)
    group.create_array("other", data=VALUES + 1)


FORMATS: dict[str, tuple[str, Write]] = {
    "npy": ("responses.npy", lambda p: np.save(p, VALUES)),
    "npz": ("responses.npz", lambda p: np.savez(p, VALUES)),
    "npz, named": ("responses.npz", lambda p: np.savez_compressed(p, responses=VALUES, mean=VALUES + 1)),
    "mat 5": ("responses.mat", lambda p: scipy.io.savemat(p, {"betas": VALUES, "tr": 1.6, "who": "s1", "n": [1, 2]})),
    "mat 7.3": ("responses.mat", save_mat_73),
    "h5": ("responses.h5", save_hdf5),
    "hdf5": ("responses.hdf5", save_hdf5),
    "zarr": ("responses.zarr", lambda p: zarr.save_array(p, VALUES)),
    "zarr group": ("responses.zarr", save_zarr_group),
    "parquet": ("responses.parquet", lambda p: FRAME.to_parquet(p)),
    "feather": ("responses.feather", lambda p: FRAME.to_feather(p)),
    "xlsx": ("responses.xlsx", lambda p: FRAME.to_excel(p, index=False)),
    "xlsx, indexed": ("responses.xlsx", lambda p: FRAME.to_excel(p)),
    "csv": ("responses.csv", lambda p: FRAME.to_csv(p, index=False)),
    "csv, indexed": ("responses.csv", lambda p: FRAME.to_csv(p)),
    "csv.gz": ("responses.csv.gz", lambda p: FRAME.to_csv(p, index=False)),
    "tsv": ("responses.tsv", lambda p: FRAME.to_csv(p, index=False, sep="\t", decimal=",")),
    "tsv.gz": ("responses.tsv.gz", lambda p: FRAME.to_csv(p, index=False, sep="\t")),
    "txt": ("responses.txt", lambda p: np.savetxt(p, VALUES, fmt="%.9g")),
    "lh.func.gii": (
        "lh.responses.func.gii",
        lambda p: (write_gifti(p, VALUES[:, :4]), write_gifti(p.with_name("rh.responses.func.gii"), VALUES[:, 4:])),
    ),
    "lh.mgz": (
        "lh.responses.mgz",
        lambda p: (write_mgh(p, VALUES[:, :4]), write_mgh(p.with_name("rh.responses.mgz"), VALUES[:, 4:])),
    ),
}
INDEXED_COLUMNARS: dict[str, tuple[str, Write]] = {
    "arrow's own index": (
        "responses.parquet",
        lambda p: without_metadata(FRAME.set_index(pd.Index(range(3, 3 + ROWS)))).to_parquet(p),
    ),
    "reset": ("responses.parquet", lambda p: FRAME.reset_index().to_parquet(p)),
    "unnamed": ("responses.parquet", lambda p: FRAME.reset_index().rename(columns={"index": "Unnamed: 0"}).to_parquet(p)),
    "feather, reset": ("responses.feather", lambda p: FRAME.reset_index().to_feather(p)),
}  # fmt: skip


def without_metadata(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename_axis("__index_level_0__").reset_index()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_images(tmp_path / "data" / "images", ROWS)
    return tmp_path / "data"


def test_every_array_format_has_a_reader_and_is_tried() -> None:
    assert set(READERS) == set(ARRAYS)
    assert set(READERS) <= {name.partition(".")[2] for name, _ in FORMATS.values()}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "write"), {**FORMATS, **INDEXED_COLUMNARS}.values(),
                         ids=[*FORMATS, *INDEXED_COLUMNARS])  # fmt: skip
def test_every_format_gives_the_same_bits(root: Path, name: str, write: Write) -> None:
    np.save(root / "responses.npy", VALUES)
    plain = responses_of(open_folder(root))
    (root / "responses.npy").unlink()
    write(root / name)
    found = responses_of(open_folder(root))
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.key == plain.key


@pytest.mark.slow
def test_every_format_scores_alike(root: Path, tmp_path: Path) -> None:
    scores = {}
    for name, (file, write) in FORMATS.items():
        write(root / file)
        where = tmp_path / name
        table = run("pixels", "ridge", "folder", data=root, metrics="r2", no_controls=True, device="cpu",
                    results=where / "results", leaderboards=where / "boards")  # fmt: skip
        scores[name] = float(table[table.encoder.notna()].iloc[0]["r2.all"])
        for path in root.glob("*responses.*"):
            remove(path)
    assert len(set(scores.values())) == 1, scores


ORIENTATIONS = [
    np.array([*zip(axes, signs, strict=True)], float)
    for axes in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(st.sampled_from(ORIENTATIONS), st.sampled_from(ORIENTATIONS), st.booleans())
def test_every_orientation_gives_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, responses: np.ndarray, roi: np.ndarray, extra_axis: bool
) -> None:
    root = tmp_path_factory.mktemp("turned") / "data"
    write_images(root / "images", ROWS)
    noise = np.random.default_rng(0)
    mask, values = noise.random(SHAPE) < 0.4, noise.normal(size=(*SHAPE, ROWS)).astype(np.float32)
    labels = noise.integers(0, 2, SHAPE).astype(np.uint8)
    write_nifti(root / "mask.nii.gz", mask[..., None].astype(np.uint8) if extra_axis else mask.astype(np.uint8))
    for name, array, orientation in (("responses.nii", values, responses), ("rois/V1.nii.gz", labels, roi)):
        (root / name).parent.mkdir(exist_ok=True)
        affine = AFFINE @ inv_ornt_aff(orientation, SHAPE)
        nibabel.Nifti1Image(apply_orientation(array, orientation), affine).to_filename(root / name)
    found = responses_of(open_folder(root))
    np.testing.assert_array_equal(found.values, values[mask].T)
    np.testing.assert_array_equal(found.rois["V1"], labels[mask] > 0)
    turned = any(not np.array_equal(one, ORIENTATIONS[0]) for one in (responses, roi))
    assert any("axes reordered" in note for note in found.notes) == turned


@pytest.fixture
def volume(root: Path) -> Path:
    mask = np.arange(60).reshape(SHAPE) % 2
    write_nifti(root / "mask.nii.gz", mask.astype(np.uint8))
    np.save(root / "responses.npy", np.random.default_rng(0).normal(size=(ROWS, int(mask.sum()))))
    (root / "rois").mkdir()
    return root


@pytest.mark.parametrize("change", [(0, 3, 2.0), (1, 1, 1.5), (0, 1, 0.1)], ids=["shifted", "voxel size", "sheared"])
def test_another_grid_is_refused_with_the_command_that_resamples(volume: Path, change: tuple[int, int, float]) -> None:
    affine = AFFINE.copy()
    affine[change[:2]] += change[2]
    nibabel.Nifti1Image(np.ones(SHAPE, np.uint8), affine).to_filename(volume / "rois/V1.nii.gz")
    with pytest.raises(
        DataError, match=r"V1\.nii\.gz is on another grid .*resample V1\.nii\.gz.* python -c '"
    ) as refused:
        open_folder(volume)
    code = str(refused.value).partition("python -c '")[2].rstrip("'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nilearn's, of defaults to come
        exec(code, {})
    assert "V1" in responses_of(open_folder(volume)).rois


def test_a_volume_without_a_position_is_refused(volume: Path) -> None:
    nibabel.Nifti1Image(np.ones(SHAPE, np.uint8), None).to_filename(volume / "rois/V1.nii.gz")
    message = r"V1\.nii\.gz does not say where its voxels are .*save it with the affine of mask\.nii\.gz"
    with pytest.raises(DataError, match=message):
        open_folder(volume)


def test_headers_that_differ_by_rounding_are_one_grid(volume: Path) -> None:
    nibabel.Nifti1Image(np.ones(SHAPE, np.uint8), AFFINE + 1e-5).to_filename(volume / "rois/V1.nii.gz")
    assert responses_of(open_folder(volume)).rois["V1"].all()


def test_hdf5_that_another_program_writes_is_locked(root: Path) -> None:
    save_hdf5(root / "responses.h5")
    code = (
        f"import h5py, sys; f = h5py.File({str(root / 'responses.h5')!r}, 'a'); print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(DataError, match=r"responses\.h5 is locked: another program has it open for writing"):
            open_folder(root)
        other.communicate("")

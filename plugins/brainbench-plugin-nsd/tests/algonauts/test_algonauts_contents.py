from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from brainbench_nsd.algonauts.card import ALGONAUTS2023

from brainbench import Part


def parts(root: Path, subject: str) -> dict[str, Part]:
    assert ALGONAUTS2023.contents is not None
    found = ALGONAUTS2023.contents(data=root, settings=ALGONAUTS2023.own_settings({}))
    return {part.what: part for part in found if part.subject == subject}


def test_every_file_of_a_subject_is_in_one_part(made: Path) -> None:
    found = parts(made, "1")
    assert all(part.there for part in found.values())
    assert all("Algonauts 2023 archive" in part.source for part in found.values())
    others = [
        path for path in (made / "subj01/roi_masks").glob("*fsaverage_space.npy") if "all-vertices" not in path.name
    ]
    whole = sum(path.stat().st_size for path in (made / "subj01").rglob("*") if path.is_file())
    assert sum(part.size for part in found.values()) == whole - sum(path.stat().st_size for path in others)
    assert found["left hemisphere responses"].detail == "60 x 190 float32"
    assert found["images with responses"].detail == "60 images"
    assert [what for what, part in found.items() if part.needed] == [
        "images with responses",
        "left hemisphere responses",
        "right hemisphere responses",
        "which vertices of fsaverage",
    ]


def test_what_is_missing_is_said(root: Path) -> None:
    shutil.rmtree(root / "subj01" / "test_split")
    (root / "subj01/training_split/training_fmri/lh_training_fmri.npy").write_bytes(b"damage")
    (root / "subj01/training_split/training_fmri/rh_training_fmri.npy").unlink()
    (root / "subj01/roi_masks/mapping_streams.npy").unlink()
    found = parts(root, "1")
    assert not found["test images"].there
    assert (found["left hemisphere responses"].there, found["left hemisphere responses"].detail) == (True, "")
    assert not found["right hemisphere responses"].there
    assert found["ROIs streams"].detail == "missing: mapping_streams.npy"
    assert all(part.there for part in parts(root, "2").values())


def test_absent_subjects_and_the_surface_have_a_part_each(
    root: Path, tmp_path: Path, maker: Callable[..., Path]
) -> None:
    found = parts(root, "")
    [absent] = [part for what, part in found.items() if what.startswith("subjects")]
    assert absent.what == "subjects subj03, subj04, subj05, subj06, subj07, subj08"
    assert not absent.there
    assert not absent.needed
    surface = found["cortical surface"]
    assert not surface.there
    assert "fetch_surf_fsaverage('fsaverage')" in surface.source
    other = maker(tmp_path / "with", images=30, left=10, right=10, size=8)
    assert parts(other, "")["cortical surface"].detail == "synthetic, order 7"

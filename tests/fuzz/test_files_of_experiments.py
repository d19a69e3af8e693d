"""Whatever is in a table, a picture or a checkpoint, it is read or refused in one line; settings keep their types and bounds."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save
from strangers import damaged, leaves, texts

from brainbench import BrainbenchError, DataError, Setting, UsageError, WeightsError, load_state
from brainbench.builtin.datasets.folder.about import read_about
from brainbench.builtin.datasets.folder.ceiling import read_ceiling
from brainbench.datasets import open_image, open_npy, open_rgb, read_numbers, read_rows, read_split
from brainbench.planning.settings import Assignments

TABLES = [
    b"image,split\na.png,train\nb.png,test\n",
    b"\xef\xbb\xbfimage;split\r\na.png;train\r\n",
    b'image\tsplit\n"a\nb"\ttrain\n',
    b"1,2,3\n4,5,6\n",
    b"v0;v1\r\n0,5;1,25\r\n",
    b"0.1 nan inf\n-1e9 2 3\n",
    "image,split\nMüller.png,val\n".encode("latin-1"),
    "image,split\nx,train\n".encode("utf-16"),
]


def picture(kind: str, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    # Not every version of Pillow converts colours to 16 bits at once.
    (image.convert("L").convert("I") if mode == "I;16" else image).convert(mode).save(out, kind)
    return out.getvalue()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def checkpoint(content: object) -> bytes:
    out = io.BytesIO()
    torch.save(content, out)
    return out.getvalue()


PICTURES = [
    picture("PNG"),
    picture("JPEG"),
    picture("GIF", "P"),
    picture("BMP"),
    picture("TIFF"),
    picture("PNG", "I;16"),
]
ARRAYS = [npy(np.zeros((3, 2), np.float32)), npy(np.arange(4)), npy(np.array("text")), npy(np.zeros(2, "f4,i4"))]
TOML = [b'name = "x"\nunits = "z"\nsimulated = true\n', b'mesh = "fsaverage5"\n', b"\xef\xbb\xbfname = 'x'\n"]
STATES = [
    save({"w": torch.ones(2, 3)}),
    checkpoint({"w": torch.ones(2)}),
    checkpoint({"state_dict": {"w": torch.ones(2)}}),
]


def refused(reading: Callable[[], object], kind: type[BrainbenchError]) -> object | None:
    """What is read, or None where it is refused in one line."""
    try:
        return reading()
    except kind as error:
        said = str(error)
    assert "\n" not in said
    return None


@pytest.mark.slow
@given(content=st.one_of(st.binary(max_size=60), damaged(TABLES)))
def test_tables(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    numbers = refused(lambda: read_numbers(path), DataError)
    assert numbers is None or (np.ndim(numbers) == 2 and np.asarray(numbers).dtype.kind == "f")
    refused(lambda: read_rows(path, ("image", "split")), DataError)
    refused(lambda: read_split(path, ["a.png", "b.png"], ["a.png", "b.png"]), DataError)
    ceiling = refused(lambda: read_ceiling(path, 2), DataError)
    assert ceiling is None or ((np.asarray(ceiling) >= 0) & (np.asarray(ceiling) <= 1)).all()


@given(content=damaged(TOML))
def test_facts_of_an_experiment(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_bytes(content)
    refused(lambda: read_about(tmp_path), DataError)


@given(content=damaged(ARRAYS))
@example(content=ARRAYS[0].replace(b"{'descr'", b"\x00'descr'"))
@example(content=ARRAYS[0].replace(b"{'descr': '", b"{'descr': 4('"))
def test_arrays(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "responses.npy"
    path.write_bytes(content)
    refused(lambda: open_npy(path), DataError)


@pytest.mark.filterwarnings("ignore")
@given(content=damaged(PICTURES))
def test_pictures(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    found = refused(lambda: open_rgb(path), DataError)
    assert found is None or (isinstance(found, Image.Image) and found.mode == "RGB")
    refused(lambda: np.asarray(open_image(path)), DataError)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@given(content=damaged(STATES))
def test_checkpoints(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    found: Any = refused(lambda: load_state(path), WeightsError)
    assert found is None or all(isinstance(tensor, torch.Tensor) for tensor in found.values())


@pytest.mark.slow
@given(kind=st.sampled_from([int, float, str, bool]), value=st.one_of(leaves, texts, st.floats().map(str)))
@example(kind=int, value="a\nb")
@example(kind=float, value="nan")
def test_settings_keep_their_type_and_bounds(kind: Any, value: object) -> None:
    setting = Setting("steps", kind, None, "help", minimum=0 if kind in (int, float) else None)
    found = refused(lambda: setting.parse(value, "net"), UsageError)
    assert found is None or type(found) is kind
    if isinstance(found, int | float):
        assert math.isfinite(found)
        assert found >= 0


@given(text=st.one_of(texts, st.text(alphabet="a.=/ *\n", max_size=9)))
def test_assignments(text: str) -> None:
    refused(lambda: Assignments([text]), UsageError)

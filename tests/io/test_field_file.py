"""A field survives its file; a file that is something else is refused with the way out."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fetalt2prep.core.field.build import FieldSpec, make_field
from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.recon.fitted import FittedField, sample
from fetalt2prep.core.recon.options import FIELDS, MODELS
from fetalt2prep.io.field_file import load_field, save_field
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.tensor_file import load_tensors, save_tensors

GRID = Grid((-8.0, 2.0, 7.0), 1.5, (9, 9, 17))


def new_field(model: str = "decay", kind: str = "grid") -> FittedField:
    spec = FieldSpec(
        model=model,
        kind=kind,
        te_s=(0.1, 0.2, 0.3),
        mean_log_signal=(-0.5, -0.9, -1.4),
        start_r2=5.0,
        grid=GRID,
        spacings_mm=(3.0, 1.5),
    )
    mask = np.zeros((5, 5, 9), dtype=bool)
    mask[1:-1, 1:-1, 1:-1] = True
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = (-5.0, 4.0, 9.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        field = make_field(spec)
        for parameter in field.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    stderr = np.where(mask, np.float32(3.0), np.float32(np.nan)) * np.ones((3, 1, 1, 1), dtype=np.float32)
    return FittedField(spec=spec, field=field, scale=812.5, mask=mask, echo_stderr=stderr, affine=affine)


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("model", MODELS)
def test_what_was_saved_is_loaded(model: str, kind: str, tmp_path: Path) -> None:
    fitted, before = new_field(model, kind), torch.random.get_rng_state()
    loaded = load_field(save_field(fitted, tmp_path / "field.safetensors"))
    assert torch.equal(before, torch.random.get_rng_state())
    assert (loaded.spec, loaded.scale) == (fitted.spec, fitted.scale)
    np.testing.assert_array_equal(loaded.echo_stderr, fitted.echo_stderr)
    grid = fitted.grid_at(0.8)
    one, other = sample(fitted, *grid), sample(loaded, *grid)
    assert one.mask.any()
    np.testing.assert_array_equal(one.mask, other.mask)
    np.testing.assert_array_equal(one.echoes, other.echoes)
    assert one.echoes[:, one.mask].std() > 0


@pytest.mark.gpu
def test_what_was_fitted_on_the_device_is_loaded_on_the_processor(device: str, tmp_path: Path) -> None:
    fitted = new_field()
    there = replace(fitted, field=new_field().field.to(device))
    loaded = load_field(save_field(there, tmp_path / "field.safetensors"))
    assert {str(p.device) for p in loaded.field.parameters()} == {"cpu"}
    grid = fitted.grid_at(0.8)
    np.testing.assert_array_equal(sample(loaded, *grid).echoes, sample(fitted, *grid).echoes)


def change(path: Path, **metadata: str) -> Path:
    arrays, old = load_tensors(path)
    return save_tensors(arrays, old | metadata, path)


def test_another_version_is_refused_with_the_program_that_wrote_it(tmp_path: Path) -> None:
    path = save_field(new_field(), tmp_path / "old.safetensors")
    change(path, version="0", software="fetalt2prep 0.0.1")
    with pytest.raises(InputError, match=r"old\.safetensors: .* version 0, written by fetalt2prep 0\.0\.1.* version 1"):
        load_field(path)


def test_other_files_and_halves_are_refused(tmp_path: Path) -> None:
    path = save_field(new_field(), tmp_path / "f.safetensors")
    weights = save_tensors({"a": np.ones(3, np.float32)}, {"format": "pt"}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="holds no fitted field"):
        load_field(weights)
    content = path.read_bytes()
    for n, length in enumerate((0, 5, 300, len(content) - 1)):
        half = tmp_path / f"half{n}.safetensors"
        half.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"half\d\.safetensors: cannot be read as safetensors"):
            load_field(half)
    (tmp_path / "image.nii.gz").write_bytes(b"\x1f\x8b\x08\x00" + bytes(100))
    with pytest.raises(InputError, match="cannot be read"):
        load_field(tmp_path / "image.nii.gz")
    arrays, metadata = load_tensors(path)
    save_tensors({k: v for k, v in arrays.items() if k != "mask"}, metadata, path)
    with pytest.raises(InputError, match=r"not whole.*mask"):
        load_field(path)


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    """By hand, after the format's description: length of the header, header, arrays."""
    array = np.array([[1.0, -2.0]], dtype=np.float32)
    content = save_tensors({"a": array}, {"k": "v"}, tmp_path / "a").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert header == {"__metadata__": {"k": "v"}, "a": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}}
    assert length % 8 == 0
    assert content[8 + length :] == struct.pack("<ff", 1.0, -2.0)
    by_hand = (
        b'{"b":{"dtype":"I32","shape":[2],"data_offsets":[4,12]},"c":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
    )
    (tmp_path / "b").write_bytes(
        struct.pack("<Q", len(by_hand)) + by_hand + bytes([1, 2, 3, 4]) + struct.pack("<ii", 5, -6)
    )
    arrays, metadata = load_tensors(tmp_path / "b")
    assert metadata == {}
    assert arrays["b"].tolist() == [5, -6]
    assert arrays["c"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "i4", "i8", "f2", "f4", "f8", ">f4"])
def test_every_type_comes_back(dtype: str, tmp_path: Path) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    (found,) = load_tensors(save_tensors({"x": array[:, ::-1]}, {}, tmp_path / "x"))[0].values()
    np.testing.assert_array_equal(found, array[:, ::-1])
    with pytest.raises(ValueError, match="complex64 cannot be stored"):
        save_tensors({"x": array.astype("c8")}, {}, tmp_path / "y")

"""A small tree of derivatives with the names the app writes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SHAPE = (14, 16, 12)
STACK_SHAPE = (16, 14, 6)
T2_S = 0.25
MakeSession = Callable[..., Path]


def ball(shape: Sequence[int], affine: np.ndarray, radius_mm: float) -> np.ndarray:
    """Mask of a ball around the middle of the grid."""
    index = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"), -1)
    return np.linalg.norm(index @ affine[:3, :3].T, axis=-1) <= radius_mm


def write_image(values: np.ndarray, affine: np.ndarray, path: Path, meta: dict[str, object] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, affine), path)
    if meta is not None:
        path.with_name(path.name.removesuffix(".nii.gz") + ".json").write_text(json.dumps(meta))


def write_rows(rows: list[dict[str, object]], path: Path) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(
            stream, list(rows[0]), delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)


def _slices(stack: str, te_s: float, mask: np.ndarray) -> list[dict[str, object]]:
    rows = []
    for k in range(mask.shape[2]):
        n_pixels = int(mask[:, :, k].sum())
        status = "empty" if n_pixels == 0 else "set-aside" if k == 2 else "used"
        rows.append(
            {"stack": stack, "slice": k, "time_s": 2.0 * ((3 * k) % 7), "te_s": te_s, "n_pixels": n_pixels}
            | {f"rot_{a}_deg": v for a, v in zip("xyz", (3.0, 0.0, 4.0), strict=True)}
            | {f"shift_{a}_mm": v for a, v in zip("xyz", (0.0, 0.5 + 0.1 * k, 0.0), strict=True)}
            | {f"m{r}{c}": float(r == c) for r in range(3) for c in range(4)}
            | {"gain": 1.0, "weight": 0.0 if status == "set-aside" else 0.9, "residual": 2.0, "ncc": 0.95}
            | {"status": status, "reason": "signal void" if status == "set-aside" else ""}
        )
    return rows


def _stack_row(stack: str, te_s: object, status: str, notes: str) -> dict[str, object]:
    nx, ny, nz = STACK_SHAPE
    return {
        "stack": stack,
        "te_s": te_s,
        "orientation": "ax 3 deg",
        "nx": nx,
        "ny": ny,
        "n_slices": nz,
        "dx_mm": 1.5,
        "dy_mm": 1.5,
        "spacing_mm": 4.5,
        "thickness_mm": 4.0,
        "n_mask_pixels": 300,
        "mask_source": "classical",
        "mask_confidence": 0.61,
        "status": status,
        "notes": notes,
    }


def _reconstruction(start: str, te_s: Sequence[float], *, fit_t2: bool) -> None:
    mask = ball(SHAPE, AFFINE, 9.0)
    first = None
    for n, te in enumerate(sorted(set(te_s)), start=1):
        echo = np.where(mask, 1000.0 * np.exp(-te / T2_S), 0).astype(np.float32)
        first = echo if first is None else first
        meta = {"EchoTime": te, "MagneticFieldStrength": 0.55}
        write_image(echo, AFFINE, Path(f"{start}_echo-{n}_desc-recon_T2w.nii.gz"), meta)
    write_image(mask.astype(np.uint8), AFFINE, Path(f"{start}_desc-brain_mask.nii.gz"))
    if fit_t2 and first is not None:
        t2 = np.where(mask, T2_S, np.nan).astype(np.float32)
        t2[tuple(n // 2 for n in SHAPE)] = np.nan
        write_image(t2, AFFINE, Path(f"{start}_T2map.nii.gz"))
        write_image(0.04 * t2, AFFINE, Path(f"{start}_desc-uncertainty_T2map.nii.gz"))
        write_image(0.015 * first, AFFINE, Path(f"{start}_desc-rmse_T2w.nii.gz"))


def session_writer(root: Path) -> MakeSession:
    """A function that writes one session's derivatives below ``root`` and returns it."""

    def make(
        session: str | None = None,
        te_s: Sequence[float] = (0.1, 0.2, 0.3),
        *,
        fit_t2: bool = True,
        reconstructed: bool = True,
        suffixes: Sequence[str] = ("T2w",),
        set_aside_reason: str = "EchoTime is missing: add it in seconds",
        extra_meta: dict[str, object] | None = None,
        facts: dict[str, object] | None = None,
    ) -> Path:
        name = "sub-01" + (f"_ses-{session}" if session else "")
        anat = root / "sub-01" / (f"ses-{session}" if session else "") / "anat"
        anat.mkdir(parents=True)
        stack_affine = np.diag([-1.5, 1.5, 4.5, 1.0])
        mask = ball(STACK_SHAPE, stack_affine, 9.0)
        stacks, slices = [], []
        for (n, te), suffix in product(enumerate(te_s, start=1), suffixes):
            entities = f"{name}_acq-ax_run-{n}"
            pixels = np.where(mask, {"T2w": 200.0, "MESE": 100.0}[suffix], 40.0).astype(np.float32)
            meta = {"EchoTime": te, "MagneticFieldStrength": 0.55} | (extra_meta or {})
            write_image(pixels, stack_affine, anat / f"{entities}_desc-preproc_{suffix}.nii.gz", meta)
            desc = {"T2w": "brain", "MESE": "brainMESE"}[suffix]
            write_image(mask.astype(np.uint8), stack_affine, anat / f"{entities}_desc-{desc}_mask.nii.gz")
            stacks.append(_stack_row(f"{entities}_{suffix}", te, "used", ""))
            slices += _slices(f"{entities}_{suffix}", te, mask)
        stacks.append(_stack_row(f"{name}_acq-sag_T2w", "n/a", "set-aside", set_aside_reason))
        start = f"{anat}/{name}_rec-inr"
        write_rows(stacks, Path(f"{start}_desc-stacks_stats.tsv"))
        if reconstructed:
            _reconstruction(start, te_s, fit_t2=fit_t2)
            write_rows(slices, Path(f"{start}_desc-slices_stats.tsv"))
            info = {"model": "decay", "field": "grid", "seed": 7, "loss": [1.0 / k for k in range(1, 40)]}
            Path(f"{start}_desc-recon_stats.json").write_text(json.dumps(info | (facts or {})))
        return root

    return make


@pytest.fixture
def make_session(tmp_path: Path) -> MakeSession:
    """:func:`session_writer` below a temporary folder."""
    return session_writer(tmp_path)

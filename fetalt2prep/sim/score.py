"""Score a reconstruction against a written truth, after one rigid transform estimated from the first echo."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.metrics import best_scale, psnr, ssim, t2_error
from fetalt2prep.sim.bids_writer import sidecar
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.truth import Truth

Doubles = NDArray[np.float64]
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])
TISSUES = {"WM": Label.WHITE_MATTER, "GM": Label.CORTICAL_GREY, "deepGM": Label.DEEP_GREY}
GOOD_START = 0.93  # correlation from which on no further start is tried


@dataclass(frozen=True)
class Volume:
    """A volume (x, y, z) and its affine, index -> world mm RAS."""

    values: NDArray[np.float32]
    affine: Doubles


def read_volume(path: Path) -> Volume:
    """Read a NIfTI volume; NaN becomes 0."""
    image = nib.load(path)
    if not isinstance(image, nib.Nifti1Image):
        raise ValueError(f"{path}: not a NIfTI-1 file.")
    return Volume(np.nan_to_num(np.squeeze(image.get_fdata(dtype=np.float32))), np.asarray(image.affine, float))


def read_truth(folder: Path) -> Truth:
    """Read the truth of one session.

    Either an ``anat`` folder of ``derivatives/truth`` (``*_desc-truth_*`` files), or a folder with
    echoes.nii.gz (4-D), T2map, M0map, labels, mask and a case.json that holds ``te`` in milliseconds.
    """
    if (folder / "echoes.nii.gz").exists():
        volume = read_volume(folder / "echoes.nii.gz")
        values = volume.values if volume.values.ndim == 4 else volume.values[..., None]
        echoes, affine = np.moveaxis(values, -1, 0), volume.affine
        te_s = np.asarray(json.loads((folder / "case.json").read_text("utf-8"))["te"], float) / 1000.0
        names = {name: folder / f"{name}.nii.gz" for name in ("T2map", "M0map", "labels", "mask")}
    else:
        paths = sorted(folder.glob("*_echo-*_desc-truth_T2w.nii.gz"))
        if not paths:
            raise ValueError(f"{folder}: holds no truth; name one session's anat folder in derivatives/truth.")
        times = [json.loads(sidecar(path).read_text("utf-8"))["EchoTime"] for path in paths]
        order = np.argsort(times)
        volumes = [read_volume(paths[k]) for k in order]
        echoes, affine = np.stack([volume.values for volume in volumes]), volumes[0].affine
        te_s = np.asarray(times, float)[order]
        prefix = paths[0].name.split("_echo-")[0]
        endings = {
            "T2map": "truth_T2map",
            "M0map": "truth_M0map",
            "labels": "truth_dseg",
            "mask": "brain_mask",
        }
        names = {name: folder / f"{prefix}_desc-{ending}.nii.gz" for name, ending in endings.items()}
    return Truth(
        affine=affine,
        te_s=te_s,
        echoes=echoes,
        t2_s=read_volume(names["T2map"]).values if names["T2map"].exists() else None,
        m0=read_volume(names["M0map"]).values,
        labels=read_volume(names["labels"]).values.astype(np.uint8),
        mask=read_volume(names["mask"]).values > 0,
    )


def score(truth: Truth, echoes: Sequence[Volume], t2: Volume | None) -> dict[str, object]:
    """Score echoes (ascending TE) and a T2 map in seconds; JSON-ready.

    registration_ncc, rotation_deg; per tissue (WM, GM, deepGM) T2 mae, bias, medae, core_mae, median,
    true_median in ms; invalid_percent in WM and GM; per echo ssim and psnr inside the mask after the best
    scale; scale_ratio_to_first.
    """
    if len(echoes) != len(truth.te_s):
        raise ValueError(f"{len(echoes)} echoes were given; the truth has {len(truth.te_s)}.")
    transform = register(Volume(truth.echoes[0], truth.affine), echoes[0], truth.mask)
    moved = [resample(echo, truth, transform) for echo in echoes]
    inner = _inner(truth.mask)
    ncc = float(np.corrcoef(truth.echoes[0][inner], moved[0][inner])[0, 1])
    angles = (transform.GetAngleX(), transform.GetAngleY(), transform.GetAngleZ())
    out: dict[str, object] = {
        "registration_ncc": round(ncc, 4),
        "rotation_deg": [round(float(np.rad2deg(angle)), 2) for angle in angles],
    }
    if t2 is not None and truth.t2_s is not None:
        out |= _t2_scores(truth, truth.t2_s, resample(t2, truth, transform))
    return out | _image_scores(truth, moved)


def score_files(truth_dir: Path, echo_files: Iterable[Path], t2map_file: Path | None = None) -> dict[str, object]:
    """:func:`score` of files; echoes in ascending TE, T2 in seconds."""
    t2 = None if t2map_file is None else read_volume(t2map_file)
    return score(read_truth(truth_dir), [read_volume(path) for path in echo_files], t2)


def register(fixed: Volume, moving: Volume, mask: NDArray[np.bool_]) -> sitk.Euler3DTransform:
    """Rigid transform fixed -> moving by correlation inside the mask less two voxels of rim.

    Starts at the given frames and at the centres of mass, each straight and turned by 15 deg about every
    axis, until one ends above a correlation of 0.93; the best is returned.
    """
    weight = sitk.Cast(_to_itk(Volume(_inner(mask).astype(np.float32), fixed.affine)), sitk.sitkUInt8)
    images = _to_itk(fixed), _to_itk(moving)
    centre = _centroid_lps(mask, fixed.affine)
    bright = moving.values > 0.05 * moving.values.max()
    best: tuple[sitk.Euler3DTransform, float] | None = None
    for shift in (np.zeros(3), _centroid_lps(bright, moving.affine) - centre):
        for turn in np.concatenate((np.zeros((1, 3)), 0.26 * np.eye(3), -0.26 * np.eye(3))):
            start = sitk.Euler3DTransform(centre.tolist(), *turn.tolist(), shift.tolist())
            found = _descend(*images, weight, start)
            if found is not None and (best is None or found[1] > best[1]):
                best = found
            if best is not None and best[1] > GOOD_START:
                return best[0]
    if best is None:
        raise ValueError("the reconstruction does not overlap the truth's brain from any start: is its affine right?")
    return best[0]


def resample(volume: Volume, truth: Truth, transform: sitk.Transform) -> NDArray[np.float32]:
    """Trilinear values of a volume on the truth's grid, 0 outside."""
    grid = _to_itk(Volume(truth.echoes[0], truth.affine))
    moved = sitk.Resample(_to_itk(volume), grid, transform, sitk.sitkLinear, 0.0)
    return np.asarray(sitk.GetArrayFromImage(moved).T, np.float32)


def _descend(
    fixed: sitk.Image, moving: sitk.Image, weight: sitk.Image, start: sitk.Euler3DTransform
) -> tuple[sitk.Euler3DTransform, float] | None:
    """Gradient descent on the masked correlation, three resolutions; None where nothing overlaps."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(weight)
    method.SetMetricSamplingStrategy(method.NONE)  # every voxel of the mask: the same answer every time
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-5, 200, 0.6, 1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    transform = sitk.Euler3DTransform(start)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # all samples outside the moving image: this start says nothing
        return None
    return transform, -float(method.GetMetricValue())


def _t2_scores(truth: Truth, true_t2_s: NDArray[np.float32], t2_s: NDArray[np.float32]) -> dict[str, object]:
    names = {"mae": "mae", "bias": "bias", "median_abs": "medae", "core_mae": "core_mae"}
    names |= {"median": "median", "true_median": "true_median"}
    out: dict[str, object] = {}
    for tissue, label in TISSUES.items():
        region = truth.labels == label
        if region.any():
            errors = t2_error(t2_s, true_t2_s, region).as_ms()
            out[tissue] = {
                short: None if np.isnan(errors[name]) else round(errors[name], 2) for name, short in names.items()
            }
    both = (truth.labels == Label.WHITE_MATTER) | (truth.labels == Label.CORTICAL_GREY)
    out["invalid_percent"] = round(100.0 * t2_error(t2_s, true_t2_s, both).invalid_fraction, 3)
    return out


def _image_scores(truth: Truth, moved: Sequence[NDArray[np.float32]]) -> dict[str, object]:
    """SSIM and PSNR of each echo after its best scale, the reference's 99.9 % percentile as range."""
    ssims, psnrs, scales = [], [], []
    for true, found in zip(truth.echoes * truth.mask, moved, strict=True):
        scale = best_scale(true, found, truth.mask)
        peak = float(np.percentile(true[truth.mask], 99.9))
        scaled = found * truth.mask * np.float32(scale)
        ssims.append(round(ssim(true, np.clip(scaled, 0, peak), truth.mask, data_range=peak), 4))
        psnrs.append(round(psnr(true, scaled, truth.mask, data_range=peak), 2))
        scales.append(scale)
    ratios = [round(scale / scales[0], 4) for scale in scales]
    return {"ssim": ssims, "psnr": psnrs, "scale_ratio_to_first": ratios}


def _inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_erosion(mask, iterations=2))


def _centroid_lps(mask: NDArray[np.bool_], affine: Doubles) -> Doubles:
    middle = np.argwhere(mask).mean(0)
    return np.asarray(RAS_TO_LPS @ (affine[:3, :3] @ middle + affine[:3, 3]))


def _to_itk(volume: Volume) -> sitk.Image:
    """ITK image with the same world frame (ITK counts left and posterior as positive)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.values.astype(np.float32).T))
    axes = RAS_TO_LPS @ volume.affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((axes / spacing).ravel().tolist())
    image.SetOrigin((RAS_TO_LPS @ volume.affine[:3, 3]).tolist())
    return image

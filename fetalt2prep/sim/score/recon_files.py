"""Where a reconstruction lies: the app's derivatives of a session, or a plain folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fetalt2prep.itk.volume import Volume
from fetalt2prep.sim.score.slice_scores import SlicePoses
from fetalt2prep.sim.score.truth_files import echo_time_s, read_transforms, stack_name
from fetalt2prep.sim.score.volume import read_volume

ECHO_PATTERN = "*_echo-*_desc-recon_T2w.nii.gz"
MS_IN_SECONDS = 10.0  # a median T2 above this is in milliseconds
SAME_TE_S = 0.0015


@dataclass(frozen=True, kw_only=True)
class ReconFiles:
    """One reconstruction on disk."""

    folder: Path
    echoes: list[Path]  # ascending echo time; a single 4-D file in a plain folder
    te_s: list[float]  # empty where the files do not say
    t2map: Path | None
    slice_table: Path | None = None
    masks: dict[str, Path] = field(default_factory=dict)  # of the stacks, by their entities


def find_recon(folder: Path) -> ReconFiles:
    """The reconstruction in ``folder`` or, when there is only one, below it.

    Either derivatives of the app (``*_desc-recon_T2w.nii.gz`` with sidecars), or a plain folder with echoes.nii.gz
    (4-D, ascending echo time) and T2map.nii.gz (seconds).
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder; name the derivatives of one subject, e.g. OUT/sub-01.")
    if (folder / "echoes.nii.gz").exists():
        t2map = folder / "T2map.nii.gz"
        echoes = [folder / "echoes.nii.gz"]
        return ReconFiles(folder=folder, echoes=echoes, te_s=[], t2map=t2map if t2map.exists() else None)
    paths = sorted(folder.rglob(ECHO_PATTERN))
    groups = sorted({(path.parent, path.name.split("_echo-")[0]) for path in paths})
    if not groups:
        raise ValueError(
            f"{folder}: holds no reconstruction (*_desc-recon_T2w.nii.gz, or echoes.nii.gz); name the app's folder of "
            "one subject. Did its run end without an error?"
        )
    if len(groups) > 1:
        names = ", ".join(str((anat / prefix).relative_to(folder)) for anat, prefix in groups)
        raise ValueError(f"{folder}: holds {len(groups)} reconstructions ({names}); name the folder of one of them.")
    ((anat, prefix),) = groups
    times = [echo_time_s(path) for path in paths]
    order = np.argsort(times)
    t2map, table = anat / f"{prefix}_T2map.nii.gz", anat / f"{prefix}_desc-slices_stats.tsv"
    ending = "_desc-brain_mask.nii.gz"
    masks = {path.name.removesuffix(ending): path for path in anat.glob(f"*{ending}")}
    return ReconFiles(
        folder=anat,
        echoes=[paths[k] for k in order],
        te_s=[times[k] for k in order],
        t2map=t2map if t2map.exists() else None,
        slice_table=table if table.exists() else None,
        masks={name: path for name, path in masks.items() if name != prefix},
    )


def read_echoes(files: ReconFiles, te_s: np.ndarray) -> list[Volume]:
    """The reconstructed echoes at the truth's echo times, ascending; raises when one is missing."""
    if not files.te_s:
        volume = read_volume(files.echoes[0])
        values = volume.values if volume.values.ndim == 4 else volume.values[..., None]
        if values.shape[3] != len(te_s):
            raise ValueError(
                f"{files.echoes[0]}: has {values.shape[3]} volumes; the truth has {len(te_s)} echoes "
                f"({_in_ms(te_s)}), give one volume for each."
            )
        return [Volume(values[..., k], volume.affine) for k in range(len(te_s))]
    found = []
    for te in te_s:
        near = int(np.argmin(np.abs(np.asarray(files.te_s) - te)))
        if abs(files.te_s[near] - te) > SAME_TE_S:
            raise ValueError(
                f"{files.folder}: has echoes at {_in_ms(files.te_s)}; the truth has {_in_ms(te_s)}. "
                "Are truth and reconstruction of the same case?"
            )
        found.append(read_volume(files.echoes[near]))
    return found


def read_t2map(path: Path) -> Volume:
    """T2 in seconds; a map in milliseconds is refused."""
    volume = read_volume(path)
    positive = volume.values[volume.values > 0]
    if positive.size and float(np.median(positive)) > MS_IN_SECONDS:
        raise ValueError(
            f"{path}: the median T2 is {float(np.median(positive)):.0f}; BIDS wants seconds. Divide a map in "
            "milliseconds by 1000."
        )
    return volume


def read_poses(files: ReconFiles, truth_table: Path | None) -> SlicePoses | None:
    """Poses of the slices that truth and reconstruction share, at the pixels of the stacks' masks.

    None when the truth or the reconstruction has no table of slices, or no mask of a stack is there.
    """
    if truth_table is None or files.slice_table is None or not files.masks:
        return None
    to_truth, to_recon = read_transforms(truth_table), read_transforms(files.slice_table)
    poses = SlicePoses()
    for stack, path in sorted(files.masks.items()):
        mask = read_volume(path)
        for slice_idx in range(mask.values.shape[2]):
            pixels = np.argwhere(mask.values[..., slice_idx] > 0)
            key = (stack_name(stack), slice_idx)
            if len(pixels) and key in to_truth and key in to_recon:
                index = np.column_stack((pixels, np.full(len(pixels), slice_idx)))
                points = index @ mask.affine[:3, :3].T + mask.affine[:3, 3]
                poses.add(*key, points, to_truth[key], to_recon[key])
    return poses if poses.points_mm else None


def _in_ms(te_s: np.ndarray | list[float]) -> str:
    return ", ".join(f"{1000 * te:g}" for te in te_s) + " ms"

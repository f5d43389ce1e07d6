"""Score a reconstruction against a written truth, after one rigid transform estimated from the first echo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fetalt2prep.itk.resample import resample
from fetalt2prep.itk.rigid import matrix_ras
from fetalt2prep.itk.volume import Volume
from fetalt2prep.sim.score.image_scores import image_scores
from fetalt2prep.sim.score.recon_files import find_recon, read_echoes, read_poses, read_t2map
from fetalt2prep.sim.score.registration import inner, register
from fetalt2prep.sim.score.slice_scores import SlicePoses, slice_errors, slice_summary
from fetalt2prep.sim.score.t2_scores import t2_scores
from fetalt2prep.sim.score.truth_files import find_truth, read_truth, truth_slice_table
from fetalt2prep.sim.score.volume import read_volume
from fetalt2prep.sim.truth import Truth, loglinear_t2


def score(
    truth: Truth, echoes: Sequence[Volume], t2: Volume | None, poses: SlicePoses | None = None
) -> dict[str, object]:
    """Score echoes (ascending TE), a T2 map in seconds and the poses of the slices; JSON-ready.

    te_ms, registration_ncc, rotation_deg; with T2 on both sides, :func:`.t2_scores.t2_scores`;
    :func:`.image_scores.image_scores`; with poses, ``slices`` (:func:`.slice_scores.slice_summary`) and
    ``slice_table`` (its rows by column).
    """
    if len(echoes) != len(truth.te_s):
        raise ValueError(f"{len(echoes)} echoes were given; the truth has {len(truth.te_s)}.")
    first = Volume(truth.echoes[0], truth.affine)
    transform = register(first, echoes[0], truth.mask)
    moved = [resample(echo, first, transform) for echo in echoes]
    core = inner(truth.mask)
    ncc = float(np.corrcoef(truth.echoes[0][core], moved[0][core])[0, 1])
    angles = (transform.GetAngleX(), transform.GetAngleY(), transform.GetAngleZ())
    out: dict[str, object] = {
        "te_ms": [round(1000.0 * float(te), 3) for te in truth.te_s],
        "registration_ncc": round(ncc, 4),
        "rotation_deg": [round(float(np.rad2deg(angle)), 2) for angle in angles],
    }
    if t2 is not None and truth.t2_s is not None:
        out |= t2_scores(truth.labels, truth.t2_s, resample(t2, first, transform))
    out |= image_scores(truth, moved)
    if poses is not None:
        table = slice_errors(poses, matrix_ras(transform))
        out |= {"slices": slice_summary(table), "slice_table": table}
    return out


def with_effective_t2(truth: Truth) -> Truth:
    """The truth with the T2 that a log-linear fit of its echoes gives.

    For a fast spin echo it is longer than the tissue's T2, by stimulated echoes: what a perfect reconstruction would
    show when T2 is fitted without a model of the train.
    """
    if len(truth.te_s) < 2:
        raise ValueError("the truth has one echo time: its echoes give no T2.")
    return replace(truth, t2_s=loglinear_t2(truth.echoes, truth.te_s))


def score_files(truth_dir: Path, echo_files: Iterable[Path], t2map_file: Path | None = None) -> dict[str, object]:
    """:func:`score` of files; echoes in ascending TE, T2 in seconds."""
    t2 = None if t2map_file is None else read_t2map(t2map_file)
    return score(read_truth(truth_dir), [read_volume(path) for path in echo_files], t2)


def score_folder(truth_dir: Path, recon_dir: Path, *, effective: bool = False) -> dict[str, object]:
    """:func:`score` of a reconstruction's folder against a truth's folder, slices included where both have tables.

    ``effective``: T2 is compared with that of the true echoes (:func:`with_effective_t2`), not with the tissue's.
    """
    truth_dir, files = find_truth(truth_dir), find_recon(recon_dir)
    truth = with_effective_t2(read_truth(truth_dir)) if effective else read_truth(truth_dir)
    t2 = None if files.t2map is None else read_t2map(files.t2map)
    return score(truth, read_echoes(files, truth.te_s), t2, read_poses(files, truth_slice_table(truth_dir)))

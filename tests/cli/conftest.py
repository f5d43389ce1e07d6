"""A simulated dataset, and derivatives as the app would write them: the truth moved rigidly, with noise."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fetalt2prep.sim import Case, simulate_case, write_case
from fetalt2prep.sim.preset import read_preset

PREFIX = "sub-a1_ses-01"
ANAT = "sub-a1/ses-01/anat"


@dataclass(frozen=True)
class Scene:
    """One session on disk and a reconstruction of it."""

    case: Case
    bids: Path
    derivatives: Path

    @property
    def truth(self) -> Path:
        return self.bids / "derivatives" / "truth"

    @property
    def recon(self) -> Path:
        return self.derivatives / ANAT


def world_motion() -> np.ndarray:
    """The frame of the reconstruction: 7 degrees and 4 mm from the truth's."""
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec([4.0, -5.0, 3.0], degrees=True).as_matrix()
    motion[:3, 3] = (2.0, -3.0, 1.5)
    return motion


def write_recon(case: Case, bids: Path, out: Path) -> None:
    """Derivatives with the app's names; T2 5 % too long, second echo 2 % too bright."""
    anat, affine, rng = out / ANAT, world_motion() @ case.truth.affine, np.random.default_rng(0)
    anat.mkdir(parents=True)
    assert case.truth.t2_s is not None
    for k, (te_s, echo) in enumerate(zip(case.truth.te_s, case.truth.echoes, strict=True), 1):
        image = (1.02 if k == 2 else 1.0) * echo + rng.normal(0, 10, echo.shape)
        path = anat / f"{PREFIX}_rec-inr_echo-{k}_desc-recon_T2w.nii.gz"
        nib.save(nib.Nifti1Image(image.astype("f4"), affine), path)
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps({"EchoTime": te_s}))
    t2map = anat / f"{PREFIX}_rec-inr_T2map.nii.gz"
    nib.save(nib.Nifti1Image((1.05 * case.truth.t2_s).astype("f4"), affine), t2map)
    rows = []
    for row in range(len(case.slices["stack"])):
        to_truth = np.eye(4)
        to_truth[:3] = [[case.slices[f"m{r}{c}"][row] for c in range(4)] for r in range(3)]
        matrix = world_motion() @ to_truth
        cells = {f"m{r}{c}": matrix[r, c] for r in range(3) for c in range(4)}
        name = f"{PREFIX}_{case.slices['stack'][row]}_T2w"
        rows.append({"stack": name, "slice": case.slices["slice"][row]} | cells)
    with (anat / f"{PREFIX}_rec-inr_desc-slices_stats.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    for mask in (bids / "derivatives" / "masks" / ANAT).glob("*_mask.nii.gz"):
        (anat / mask.name).write_bytes(mask.read_bytes())


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    root = tmp_path_factory.mktemp("scene")
    coarse = {"brain_length_mm": 36.0, "truth_mm": 1.6, "in_plane_mm": 2.0, "margin_mm": 8.0, "planes": ["ax", "cor"]}
    case = simulate_case(read_preset("demo", coarse), seed=3)
    write_case(case, root / "bids", "a1")
    write_recon(case, root / "bids", root / "out")
    return Scene(case, root / "bids", root / "out")

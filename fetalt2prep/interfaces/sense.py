"""Reconstruct an image from undersampled Cartesian raw data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits

from fetalt2prep.core.sense.options import CONSISTENCY_WEIGHT, METHODS


class _SenseReconInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="raw data, ISMRMRD (.h5, .hdf5, .mrd)")
    denoise = traits.Enum(*METHODS, usedefault=True, desc="what follows CG-SENSE: the trained network, or nothing")
    consistency = traits.Range(
        low=0.0,
        value=CONSISTENCY_WEIGHT,
        exclude_low=True,
        usedefault=True,
        desc="weight of the network against the samples",
    )
    weights = File(exists=True, desc="of the network, as train-denoiser leaves them; not given: the package's")
    contrast = traits.Range(low=0, desc="which contrast, where the file has several")
    repetition = traits.Range(low=0, desc="which repetition, where the file has several")


class _SenseReconOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="magnitude (x, y, slice)")
    account = File(exists=True, desc="JSON: echo time, what was found and done, notes")
    noise_file = File(exists=True, desc="standard deviation of the noise of every pixel before the network")
    notes = traits.List(traits.Str, desc="what a user should know")


class SenseRecon(SimpleInterface):
    """One scan from raw data to a stack and the map of its noise, in the node's folder."""

    input_spec = _SenseReconInputSpec
    output_spec = _SenseReconOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.io.sense_scan import SenseRequest, reconstruct_sense

        i = self.inputs
        chosen = [value if isinstance(value, int) else None for value in (i.contrast, i.repetition)]
        request = SenseRequest(
            denoise=i.denoise,
            weights=Path(i.weights) if isinstance(i.weights, str) else None,
            consistency=i.consistency,
            contrast=chosen[0],
            repetition=chosen[1],
            noise_map=True,
        )
        in_file = Path(i.in_file)
        out = Path(runtime.cwd) / f"{in_file.name.split('.')[0]}_sense.nii.gz"
        written = reconstruct_sense(in_file, out, request)
        self._results |= {
            "out_file": str(written.image),
            "account": str(written.account),
            "noise_file": str(written.noise_map),
            "notes": list(written.notes),
        }
        return runtime

"""Store derivatives under BIDS names with their sidecars. The only file that knows niworkflows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    OutputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)
from niworkflows.interfaces.bids import PrepareDerivative

from bids_app.derivatives import (
    Derivative,
    StackFiles,
    density_derivative,
    given_derivatives,
    recon_derivatives,
    stack_derivatives,
    t2_derivatives,
)
from bids_app.derivatives_sampled import field_derivative, sampled_derivatives
from bids_app.options import Options
from bids_app.session import SessionInputs
from bids_app.whole_file import put

SPEC = json.loads((Path(__file__).parent / "data" / "io_spec.json").read_text())


class Namer(PrepareDerivative):
    """niworkflows' names and sidecars, for our files.

    The images are ours: their headers are right already, and no type is changed on the way out.
    """

    _config_entities = frozenset(entity["name"] for entity in SPEC["entities"])
    _config_entities_dict = SPEC["entities"]
    _file_patterns = tuple(SPEC["default_path_patterns"])
    _default_dtypes: Mapping[str, None] = defaultdict(lambda: None)


def store(derivatives: Sequence[Derivative], output_dir: Path) -> list[str]:
    """Copy each file to its BIDS name, write its sidecar, and return the paths written.

    niworkflows' own sink compresses every image again, at the highest level: 17 s for three stacks of
    320 x 320 x 22, against 0.1 s for copying the bytes as is done here.

    Raises
    ------
    ValueError
        Two of the files would get one name.
    """
    written: list[str] = []
    for item in derivatives:
        namer = Namer(in_file=item.in_file, source_file=item.source, check_hdr=False, **item.entities)
        # niworkflows' default for ``compress`` gets lost and then .nii.gz is named .nii: say it each time.
        namer.inputs.compress = True if ".nii" in Path(item.in_file).suffixes else None
        if item.meta:
            namer.inputs.meta_dict = dict(item.meta)
        outputs = namer.run().outputs
        target = output_dir / outputs.out_path
        if str(target) in written:
            raise ValueError(
                f"{target.name}: two stacks would be stored under this name, one of them {Path(item.source).name}; "
                "their names differ only in an entity that derivatives do not keep. Rename one, or leave it out."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        put(Path(outputs.out_file).read_bytes(), target)
        if outputs.out_meta:
            sidecar = target.with_name(target.name.partition(".")[0] + ".json")
            meta = {**outputs.out_meta, **item.meta}  # niworkflows calls a Resolution that is no template's Unknown
            put(json.dumps(meta, sort_keys=True, indent=2) + "\n", sidecar)
        written.append(str(target))
    return written


class SinkInputSpec(BaseInterfaceInputSpec):
    """What every sink is given."""

    session = traits.Instance(SessionInputs, mandatory=True, desc="stacks of the session")
    options = traits.Instance(Options, mandatory=True, desc="options of the run")


class _SinkOutputSpec(TraitedSpec):
    out_files = OutputMultiObject(File(exists=True), desc="files written")


class SinkBase(SimpleInterface):
    """A sink runs each time, so that a resumed run restores derivatives that were deleted."""

    output_spec = _SinkOutputSpec
    _always_run = True

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        raise NotImplementedError

    def _run_interface(self, runtime: Any) -> Any:
        options = self.inputs.options
        derivatives = self._derivatives(self.inputs.session, options, Path(runtime.cwd))
        self._results["out_files"] = store(derivatives, options.output_dir)
        return runtime


class _SinkStacksInputSpec(SinkInputSpec):
    stacks = InputMultiObject(File(exists=True), mandatory=True, desc="denoised stacks")
    stack_masks = InputMultiObject(File(exists=True), mandatory=True, desc="their masks, same order")
    denoise_notes = traits.List(traits.Str, mandatory=True, desc="why another denoiser was used, same order")
    stack_table = File(exists=True, mandatory=True, desc="table of stacks")


class SinkStacks(SinkBase):
    """Denoised stacks, their masks, and the table of stacks with those that were left out at the door."""

    input_spec = _SinkStacksInputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        table = read_stack_table(self.inputs.stack_table)
        names = used_stacks(table)
        left_out = pd.DataFrame(
            [{"stack": p.name, "status": "set-aside", "notes": p.message} for p in session.problems]
        )
        full = cwd / "stacks.tsv"
        pd.concat([table, left_out]).to_csv(full, sep="\t", na_rep="n/a", index=False)
        files = zip(names, self.inputs.stacks, self.inputs.stack_masks, self.inputs.denoise_notes, strict=True)
        return stack_derivatives(session, options, [StackFiles(*of_one) for of_one in files], str(full))


class _SinkReconInputSpec(SinkInputSpec):
    stack_table = File(exists=True, mandatory=True, desc="table of stacks")
    denoise_notes = traits.List(traits.Str, mandatory=True, desc="why another denoiser was used, of each used stack")
    echo_files = InputMultiObject(File(exists=True), mandatory=True, desc="reconstructed echoes")
    te_s = InputMultiObject(traits.Float, mandatory=True, desc="their echo times, s")
    brain_mask = File(exists=True, mandatory=True, desc="mask of the reconstruction")
    density = File(exists=True, mandatory=True, desc="slices that measure each voxel")
    slice_table = File(exists=True, mandatory=True, desc="table of slices")
    field_file = File(exists=True, mandatory=True, desc="fitted field, stored when the options say so")
    recon_info = File(exists=True, mandatory=True, desc="account of the reconstruction")


class SinkRecon(SinkBase):
    """Reconstructed echoes, mask, slice table, and the account, to which notes on the stacks in use are added."""

    input_spec = _SinkReconInputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        i = self.inputs
        names = used_stacks(read_stack_table(i.stack_table))
        in_use = replace(session, stacks=tuple(stack for stack in session.stacks if stack.name in names))
        info = json.loads(Path(i.recon_info).read_text())
        denoised = [f"{stack}: {note}" for stack, note in zip(names, i.denoise_notes, strict=True) if note]
        info["notes"] = [*info.get("notes", []), *in_use.notes, *denoised]
        info["before"] = {"denoise": options.denoise, "bias": options.bias}
        account = cwd / "recon.json"
        account.write_text(json.dumps(info, indent=2) + "\n")
        found = recon_derivatives(
            session, options, names, i.echo_files, i.te_s, i.brain_mask, i.slice_table, str(account)
        )
        found.append(density_derivative(session, options, names, i.te_s, i.density))
        return [*found, field_derivative(session, i.field_file)] if options.save_field else found


class _SinkSampledInputSpec(SinkInputSpec):
    te_s = InputMultiObject(traits.Float, mandatory=True, desc="echo times of the reconstruction, s")
    sampled_echo_files = traits.List(traits.List(File(exists=True)), mandatory=True, desc="echoes at each spacing")
    sampled_masks = traits.List(File(exists=True), mandatory=True, desc="mask at each spacing")
    sampled_t2maps = traits.List(File(exists=True), mandatory=True, desc="T2 at each spacing, s")
    sampled_s0maps = traits.List(File(exists=True), mandatory=True, desc="S0 at each spacing")
    sampled_t2_stderr = traits.List(File(exists=True), mandatory=True, desc="standard error of T2 at each spacing, s")


class SinkSampled(SinkBase):
    """The same volumes and maps at further resolutions, sampled from the fitted field."""

    input_spec = _SinkSampledInputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        i = self.inputs
        maps = {"T2map": i.sampled_t2maps, "S0map": i.sampled_s0maps, "uncertainty": i.sampled_t2_stderr}
        if options.steps != "all":
            maps = {}  # T2 was not asked for
        return [
            item
            for n, spacing_mm in enumerate(options.sample_mm)
            for item in sampled_derivatives(
                session,
                options,
                spacing_mm,
                i.te_s,
                [*i.sampled_echo_files[n], i.sampled_masks[n]],
                {name: files[n] for name, files in maps.items() if files},
            )
        ]


class _SinkGivenInputSpec(SinkInputSpec):
    brain_mask = File(exists=True, mandatory=True, desc="mask on the grid of the given volumes")
    recon_info = File(exists=True, mandatory=True, desc="account of what was given")


class SinkGiven(SinkBase):
    """Mask and account of volumes that were given; the volumes themselves stay where they are."""

    input_spec = _SinkGivenInputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        return given_derivatives(session, options, self.inputs.brain_mask, self.inputs.recon_info)


class _SinkT2InputSpec(SinkInputSpec):
    te_s = InputMultiObject(traits.Float, mandatory=True, desc="echo times of the reconstruction, s")
    t2map = File(exists=True, mandatory=True, desc="T2, s")
    s0map = File(exists=True, mandatory=True, desc="S0")
    t2_stderr = File(exists=True, mandatory=True, desc="standard error of T2, s")
    rmse = File(exists=True, mandatory=True, desc="residual of the fit")
    valid = File(exists=True, mandatory=True, desc="reason for each voxel")
    t2_info = File(exists=True, mandatory=True, desc="account of the fit")


class SinkT2(SinkBase):
    """T2, S0, their doubt, and the account of the fit."""

    input_spec = _SinkT2InputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        i = self.inputs
        files = (i.t2map, i.s0map, i.t2_stderr, i.rmse, i.valid, i.t2_info)
        return t2_derivatives(session, options, i.te_s, *files)


def read_stack_table(path: str | Path) -> pd.DataFrame:
    """Table of stacks, every cell as text."""
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3)


def used_stacks(table: pd.DataFrame) -> list[str]:
    """Names of the stacks that entered the reconstruction, in the order of the table."""
    return [name.partition(".")[0] for name in table.loc[table["status"] == "used", "stack"]]

"""Derivatives: names, sidecars, headers, and what the BIDS validator says of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_app.dataset import description, older_version, relative_uri, write_dataset
from bids_app.derivatives import masks_are_own
from bids_app.options import Options
from bids_app.outputs import SinkRecon, SinkSampled, SinkStacks, SinkT2
from bids_app.outputs_bias import SinkBias
from bids_app.parser import parse_args
from bids_app.query import query_sessions
from bids_app.session import SessionInputs
from fetalt2prep.io.volume import save_volume

WriteStack = Callable[..., Path]
TES_S = (0.1, 0.2, 0.4)
OTHER_DENOISER = "non-local means in place of the network"
"""Note on the second stack that was used."""


@pytest.fixture
def options(bids: Path, tmp_path: Path) -> Options:
    (tmp_path / "out").mkdir()
    masks = f"masks={bids / 'derivatives' / 'masks'}"
    return parse_args([str(bids), str(tmp_path / "out"), "participant", "-d", masks])


def result(folder: Path, name: str, dtype: str = "float32") -> str:
    """What a workflow leaves behind."""
    values, affine = np.ones((4, 5, 6)), np.diag([0.8, 0.8, 0.8, 1])
    return str(save_volume(values, affine, folder / f"{name}.nii.gz", dtype))


def run_sinks(session: SessionInputs, options: Options, folder: Path) -> None:
    """Feed all three sinks with results for every stack of a session but the last, which was set aside."""
    folder.mkdir(exist_ok=True)
    used = session.stacks[:-1]
    rows = [f"{s.name}\t{s.te_s}\tused\t" for s in used] + [f"{session.stacks[-1].name}\t0.4\tset-aside\tno overlap"]
    (folder / "table.tsv").write_text("\n".join(["stack\tte_s\tstatus\tnotes", *rows]) + "\n")
    (folder / "slices.tsv").write_text("stack\tslice\n")
    (folder / "info.json").write_text(json.dumps({"model": "decay", "notes": ["from the engine"]}))
    (folder / "field.safetensors").write_bytes(b"a field")
    table = str(folder / "table.tsv")
    common: dict[str, Any] = {"session": session, "options": options}
    stacks = [result(folder, f"denoised_{s.name}") for s in used]
    masks = [result(folder, f"mask_{s.name}", "uint8") for s in used]
    notes = ["", OTHER_DENOISER, *[""] * (len(used) - 2)]
    files_of_stacks = {"stacks": stacks, "stack_masks": masks, "denoise_notes": notes}
    SinkStacks(**common, **files_of_stacks, stack_table=table).run(cwd=str(folder))
    SinkRecon(
        **common,
        stack_table=table,
        denoise_notes=notes,
        echo_files=[result(folder, f"echo{n}") for n in range(3)],
        te_s=list(TES_S),
        brain_mask=result(folder, "mask", "uint8"),
        density=result(folder, "density"),
        slice_table=str(folder / "slices.tsv"),
        field_file=str(folder / "field.safetensors"),
        recon_info=str(folder / "info.json"),
    ).run(cwd=str(folder))
    maps = {name: result(folder, name) for name in ("t2map", "s0map", "t2_stderr", "rmse")}
    reasons = result(folder, "valid", "uint8")
    SinkT2(**common, te_s=list(TES_S), **maps, valid=reasons, t2_info=str(folder / "info.json")).run(cwd=str(folder))


def files(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def validate(out: Path) -> list[str]:
    """Errors of the BIDS validator on a data set."""
    command = [str(Path(sys.executable).with_name("bids-validator-deno")), "--format", "json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    errors = [f"{i['code']} {i.get('location')} {i.get('subCode', '')}" for i in issues if i["severity"] == "error"]
    assert done.returncode == (16 if errors else 0), done.stderr
    return errors


def session_of(bids: Path, write_stack: WriteStack, names: list[str], masks: Path | None) -> SessionInputs:
    for number, name in enumerate(names):
        meta = {"EchoTime": TES_S[number % 3], "SliceThickness": 4.0, "MagneticFieldStrength": 0.55}
        write_stack(name, meta=meta, mask=masks is not None)
    (session,) = query_sessions(bids, ["01"], masks_dir=masks)["01"]
    return session


def test_names_and_validator_with_sessions_and_orientations(
    bids: Path, write_stack: WriteStack, options: Options, tmp_path: Path
) -> None:
    names = [f"sub-01_ses-b_acq-{a}_rec-norm_run-01_echo-{e}_T2w" for a in ("ax", "cor") for e in (1, 2, 3)]
    session = session_of(bids, write_stack, names, options.masks)
    run_sinks(session, options, tmp_path / "cwd")
    write_dataset(options)
    start = "sub-01/ses-b/anat/sub-01_ses-b"
    images = [f"{start}_rec-inr_{end}" for end in (
        "T2map", "S0map", "desc-uncertainty_T2map", "desc-rmse_T2w", "desc-density_T2w", "desc-brain_mask",
        "desc-reason_dseg",
        *(f"echo-{n}_desc-recon_T2w" for n in (1, 2, 3)),
    )]  # fmt: skip
    for name in sorted(names)[:-1]:
        stem = f"sub-01/ses-b/anat/{name.removesuffix('_T2w')}"
        images += [f"{stem}_desc-preproc_T2w", f"{stem}_desc-brain_mask"]
    tables = {f"{start}_rec-inr_desc-{d}_stats.{e}" for d in ("stacks", "slices") for e in ("tsv", "json")}
    tables |= {f"{start}_rec-inr_desc-{d}_stats.json" for d in ("recon", "t2")}
    root = {"dataset_description.json", ".bidsignore", "README"}
    assert files(options.output_dir) == {f"{i}.{e}" for i in images for e in ("nii.gz", "json")} | tables | root
    assert validate(options.output_dir) == []


def test_the_field_of_the_coils_is_one_of_the_session_and_names_its_stacks(
    bids: Path, write_stack: WriteStack, options: Options, tmp_path: Path
) -> None:
    session = session_of(bids, write_stack, [f"sub-01_echo-{e}_T2w" for e in (1, 2, 3, 4)], options.masks)
    asked, folder = replace(options, bias="n4"), tmp_path / "cwd"
    run_sinks(session, asked, folder)
    (folder / "bias.json").write_text(json.dumps({"method": "n4", "percentiles": {"50": 1.0}}))
    common: dict[str, Any] = {"session": session, "options": asked, "stack_table": str(folder / "table.tsv")}
    SinkBias(**common, bias_field=result(folder, "field"), bias_info=str(folder / "bias.json")).run(cwd=str(folder))
    write_dataset(asked)
    anat = asked.output_dir / "sub-01" / "anat"
    meta = json.loads((anat / "sub-01_rec-inr_desc-bias_T2w.json").read_text())
    assert meta["Sources"] == [f"bids:raw:sub-01/anat/{stack.name}.nii.gz" for stack in session.stacks[:-1]]
    assert "N4" in meta["EstimationAlgorithm"]
    preproc = json.loads((anat / "sub-01_echo-1_desc-preproc_T2w.json").read_text())
    assert "non-local means" in preproc["Denoising"]
    assert "N4" in preproc["BiasCorrection"]
    recon = json.loads((anat / "sub-01_rec-inr_desc-recon_stats.json").read_text())
    assert recon["before"] == {"denoise": "nlm", "bias": "n4"}
    assert validate(asked.output_dir) == []


def test_further_resolutions_and_the_field_have_names_of_their_own(
    bids: Path, write_stack: WriteStack, options: Options, tmp_path: Path
) -> None:
    session = session_of(bids, write_stack, [f"sub-01_echo-{e}_T2w" for e in (1, 2, 3)], options.masks)
    asked, folder = replace(options, sample_mm=(0.5, 1.0), save_field=True), tmp_path / "cwd"
    run_sinks(session, options, folder)
    plain = files(options.output_dir)
    run_sinks(session, asked, folder)
    one_for_each = {
        port: [result(folder, f"{port}{n}") for n in range(2)]
        for port in ("sampled_t2maps", "sampled_s0maps", "sampled_t2_stderr")
    }
    masks = [result(folder, f"sampled_mask{n}", "uint8") for n in range(2)]
    echoes = [[result(folder, f"echo{n}_{e}") for e in range(3)] for n in range(2)]
    sink = SinkSampled(session=session, options=asked, te_s=list(TES_S), sampled_echo_files=echoes, sampled_masks=masks)
    sink.inputs.trait_set(**one_for_each)
    sink.run(cwd=str(folder))
    start = "sub-01/anat/sub-01_rec-inr"
    assert files(asked.output_dir) - plain == {f"{start}_desc-recon_field.safetensors"} | {
        f"{start}_{first}res-{label}_{last}.{ending}"
        for label in ("0p5mm", "1mm")
        for first, last in (
            *((f"echo-{e}_", "desc-sampled_T2w") for e in (1, 2, 3)),
            ("", "T2map"), ("", "S0map"), ("", "desc-uncertainty_T2map"), ("", "desc-brain_mask"),
        )
        for ending in ("nii.gz", "json")
    }  # fmt: skip
    meta = json.loads((asked.output_dir / f"{start}_echo-2_res-0p5mm_desc-sampled_T2w.json").read_text())
    assert meta["Resolution"] == "0.5 mm isotropic, sampled from the field fitted at 0.8 mm"
    assert meta["EchoTime"] == TES_S[1]
    write_dataset(asked)
    assert validate(asked.output_dir) == []


def test_the_one_acquisition_stays_in_the_name_and_mese_stays_mese(
    bids: Path, write_stack: WriteStack, options: Options, tmp_path: Path
) -> None:
    names = [f"sub-01_acq-ax_run-{r}_echo-{e}_MESE" for r in (1, 2) for e in (1, 2, 3)]
    session = session_of(bids, write_stack, names, None)
    run_sinks(session, replace(options, masks=None), tmp_path / "cwd")
    write_dataset(options)
    written = files(options.output_dir)
    assert "sub-01/anat/sub-01_acq-ax_rec-inr_T2map.nii.gz" in written
    assert "sub-01/anat/sub-01_acq-ax_run-1_echo-2_desc-preproc_MESE.nii.gz" in written
    assert validate(options.output_dir) == []


def test_a_t2w_and_a_mese_stack_of_the_same_entities_are_kept_apart(
    bids: Path, write_stack: WriteStack, options: Options, tmp_path: Path
) -> None:
    names = [f"sub-01_run-1_echo-{e}_{suffix}" for e in (1, 2) for suffix in ("MESE", "T2w")]
    session = session_of(bids, write_stack, [*names, "sub-01_run-2_T2w"], None)
    run_sinks(session, replace(options, masks=None), tmp_path / "cwd")
    write_dataset(options)
    anat = options.output_dir / "sub-01" / "anat"
    stacks = {path.name.removesuffix(".nii.gz") for path in anat.glob("*_run-1_*.nii.gz")}
    assert stacks == {
        f"sub-01_run-1_{end}"
        for e in (1, 2)
        for end in (
            *(f"echo-{e}_desc-preproc_{suffix}" for suffix in ("T2w", "MESE")),
            *(f"echo-{e}_desc-{desc}_mask" for desc in ("brain", "brainMESE")),
        )
    }
    sources = [
        json.loads((anat / f"sub-01_run-1_echo-1_desc-{desc}_mask.json").read_text())["Sources"]
        for desc in ("brain", "brainMESE")
    ]
    assert sources == [[f"bids:raw:sub-01/anat/sub-01_run-1_echo-1_{suffix}.nii.gz"] for suffix in ("T2w", "MESE")]
    assert validate(options.output_dir) == []


def test_a_mask_that_comes_back_from_the_output_is_not_its_own_source(
    bids: Path, write_stack: WriteStack, options: Options, tmp_path: Path
) -> None:
    session = session_of(bids, write_stack, [f"sub-01_echo-{e}_T2w" for e in (1, 2, 3)], options.masks)
    run_sinks(session, options, tmp_path / "cwd")
    name = "sub-01/anat/sub-01_echo-1_desc-brain_mask"
    given = options.output_dir / f"{name}.nii.gz"
    stacks = tuple(replace(stack, mask=given) for stack in session.stacks)
    link = tmp_path / "link"
    link.symlink_to(options.output_dir)  # the same folder, by another name
    run_sinks(replace(session, stacks=stacks), replace(options, masks=options.output_dir), tmp_path / "cwd")
    meta = json.loads((options.output_dir / f"{name}.json").read_text())
    assert (meta["Sources"], meta["MaskSource"]) == (["bids:raw:sub-01/anat/sub-01_echo-1_T2w.nii.gz"], "given")
    of_recon = json.loads((options.output_dir / "sub-01/anat/sub-01_rec-inr_desc-brain_mask.json").read_text())
    assert of_recon["Sources"] == [f"bids:masks:{name}.nii.gz"]
    assert masks_are_own(replace(options, masks=link))
    assert not masks_are_own(options)


def test_two_files_never_get_one_name(bids: Path, write_stack: WriteStack, options: Options, tmp_path: Path) -> None:
    session = session_of(bids, write_stack, [f"sub-01_custom-{c}_T2w" for c in "abc"], None)
    with pytest.raises(ValueError, match=r"sub-01_desc-preproc_T2w\.nii\.gz: two stacks would .* sub-01_custom-b_T2w"):
        run_sinks(session, replace(options, masks=None), tmp_path / "cwd")


def test_sidecars_and_headers(bids: Path, write_stack: WriteStack, options: Options, tmp_path: Path) -> None:
    names = [f"sub-01_acq-{a}_echo-{e}_T2w" for a in ("ax", "cor") for e in (1, 2, 3)]
    session = session_of(bids, write_stack, names, options.masks)
    run_sinks(session, options, tmp_path / "cwd")
    anat = options.output_dir / "sub-01" / "anat"

    def read(name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((anat / f"sub-01_{name}.json").read_text())
        return content

    t2 = read("rec-inr_T2map")
    assert t2["Units"] == "s"
    assert t2["EchoTime"] == list(TES_S)
    assert t2["SkullStripped"] is True
    assert t2["Sources"][0] == "bids::sub-01/anat/sub-01_rec-inr_echo-1_desc-recon_T2w.nii.gz"
    assert (t2["ReconstructionModel"], t2["RandomSeed"], t2["MagneticFieldStrength"]) == ("decay", 0, 0.55)
    assert read("rec-inr_desc-uncertainty_T2map")["Units"] == "s"
    echo = read("rec-inr_echo-2_desc-recon_T2w")
    assert echo["EchoTime"] == TES_S[1]
    # The stack that was set aside is not a source.
    assert len(echo["Sources"]) == 5
    assert "bids:raw:sub-01/anat/sub-01_acq-ax_echo-1_T2w.nii.gz" in echo["Sources"]
    mask = read("acq-ax_echo-1_desc-brain_mask")
    assert mask["Sources"] == ["bids:masks:sub-01/anat/sub-01_acq-ax_echo-1_desc-brain_mask.nii.gz"]
    assert mask["Type"] == "Brain"
    first, second, third = read("rec-inr_desc-recon_stats")["notes"]
    assert first == "from the engine"
    assert second.startswith("All stacks are axial")
    assert third.endswith(OTHER_DENOISER)
    noted = third.partition(":")[0].removeprefix("sub-01_").removesuffix("_T2w")
    assert read(f"{noted}_desc-preproc_T2w")["Denoising"] == OTHER_DENOISER
    image = nib.load(anat / "sub-01_rec-inr_T2map.nii.gz")
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (1, 1)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.get_data_dtype() == np.float32
    stored = (anat / "sub-01_rec-inr_T2map.nii.gz").read_bytes()
    assert stored == (tmp_path / "cwd" / "t2map.nii.gz").read_bytes()
    assert not list(anat.glob(".*"))


def test_stacks_left_out_at_the_door_are_in_the_table(
    bids: Path, write_stack: WriteStack, options: Options, tmp_path: Path
) -> None:
    for number, te_s in enumerate(TES_S, start=1):
        write_stack(f"sub-01_run-{number}_T2w", te_s, mask=True)
    write_stack("sub-01_run-9_T2w", meta={}, mask=True)
    (session,) = query_sessions(bids, ["01"], masks_dir=options.masks)["01"]
    run_sinks(session, options, tmp_path / "cwd")
    table = (options.output_dir / "sub-01" / "anat" / "sub-01_rec-inr_desc-stacks_stats.tsv").read_text()
    header, *rows = table.splitlines()
    last = dict(zip(header.split("\t"), rows[-1].split("\t"), strict=True))
    assert len(rows) == 4
    assert (last["stack"], last["status"], last["te_s"]) == ("sub-01_run-9_T2w", "set-aside", "n/a")
    assert "EchoTime" in last["notes"]


def test_description_links_are_relative_and_name_the_container(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FETALT2PREP_DOCKER_TAG", "fetalt2prep:0.1.0")
    content = description(options)
    assert content["DatasetLinks"] == {"raw": "../raw/", "masks": "../raw/derivatives/masks/"}
    assert content["GeneratedBy"][0]["Container"] == {"Type": "docker", "Tag": "fetalt2prep:0.1.0"}
    monkeypatch.setenv("FETALT2PREP_SINGULARITY_URL", "library://x/y:1")
    singularity = {"Type": "singularity", "URI": "library://x/y:1"}
    assert description(options)["GeneratedBy"][0]["Container"] == singularity
    assert relative_uri(Path("/a b/raw"), Path("/a b/raw/derivatives/x")) == "../../"
    assert relative_uri(Path("/a b/c d"), Path("/e")) == "../a%20b/c%20d/"


def test_a_reader_finds_the_old_file_or_the_new_one_whole(options: Options) -> None:
    """Jobs of one array write the same description."""
    write_dataset(options)
    path = options.output_dir / "dataset_description.json"
    before = path.read_text()
    with path.open() as reader:
        start = reader.read(10)
        write_dataset(replace(options, masks=None))
        assert start + reader.read() == before
    assert "masks" not in json.loads(path.read_text())["DatasetLinks"]
    assert {p.name for p in options.output_dir.iterdir()} == {path.name, ".bidsignore", "README"}


def test_results_of_another_version_are_noticed(options: Options) -> None:
    assert older_version(options.output_dir) is None
    write_dataset(options)
    assert older_version(options.output_dir) is None
    path = options.output_dir / "dataset_description.json"
    content = json.loads(path.read_text())
    content["GeneratedBy"][0]["Version"] = "0.0.1"
    path.write_text(json.dumps(content))
    assert older_version(options.output_dir) == "0.0.1"

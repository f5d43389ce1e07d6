"""The page: what it says for every outcome, and what it must never hold."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_app.messages import Message
from bids_app.report.build import build_report
from bids_app.report.derivatives import find_sessions, short_label, stack_motions
from bids_app.report.measured import stack_pictures
from bids_app.report.page import NIIVUE, script_hash
from bids_app.report.page import SECTIONS as TITLES
from fetalt2prep.core.slice_op import IN_PLANE_FWHM

from .conftest import AFFINE, SHAPE, session_writer, write_image, write_rows

EVIL = "<script>document.title='owned'</script>"
SECTIONS = list(TITLES)
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Reader(HTMLParser):
    """Collects tags, texts by section, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._open: list[str] = []
        self._section = ""
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
            self.sections[self._section] = ""
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            attrs, before = self.scripts.pop()
            self.scripts.append((attrs, before + data))
        elif self._section:
            self.sections[self._section] += " ".join(data.split()) + " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def build(out_dir: Path, **arguments: object) -> Reader:
    path = build_report(out_dir, "01", run_uuid="run1", **arguments)  # type: ignore[arg-type]
    assert path == out_dir / "sub-01.html"
    return Reader(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reader]:
    """A sound session and its page, for tests that only look."""
    out_dir = session_writer(tmp_path_factory.mktemp("whole"))()
    return out_dir, build(out_dir)


def test_a_whole_session_is_told_in_words_and_figures(whole) -> None:
    out_dir, page = whole
    assert list(page.sections) == SECTIONS
    summary = page.sections["summary"]
    assert "3 of 4 stacks were used, at 3 echo times (100, 200 and 300 ms)." in summary
    assert "rotated by 5.0°" in summary  # |(3, 0, 4)|
    assert "has the median 250 ms" in summary
    assert "acq-sag was set aside: EchoTime is missing: add it in seconds." in summary
    assert "3 stacks" not in page.sections["errors"]
    assert "Nothing failed." in page.sections["errors"]
    assert "3 slices set aside: signal void (3)." in page.sections["motion"]
    assert "white is 670.3 scanner units" in page.sections["reconstruction"]  # 1000 exp(-0.1 / 0.25)
    assert "fixed range 0 to 600 ms (for 0.55 T)" in page.sections["t2"]
    assert "arXiv 2508.10680" in page.sections["methods"]
    assert "log R2" in page.sections["methods"]  # the model that was used
    assert "1 … 0.025641 (39 values)" in page.sections["about"]
    assert "Look before you use it" in summary
    assert "4 of the brain masks were not given" in summary
    assert "signal void" in page.sections["motion"]
    assert "Median T2, brain mask 250 ms" in summary
    endings = sorted(
        path.name.partition("_desc-")[2].partition("_")[0] for path in (out_dir / "sub-01" / "figures").iterdir()
    )
    sheets = [f"{kind}{n:02d}acqaxrun{n + 1}{te}" for kind, te in (("stack", ""),) for n in range(3)]
    slices = [f"slices{n:02d}acqaxrun{n + 1}TE{100 * (n + 1)}ms" for n in range(3)]
    others = ["agreement", "doubt", "histogram", "map", "motion", "raw", "recon"]
    assert endings == sorted(sheets + slices + others)


def test_methods_say_how_the_run_denoised_beside_the_options_of_the_reconstruction(make_session) -> None:
    out_dir = make_session(facts={"options": {"resolution_mm": 0.8, "seed": 7, "profile": "box"}})
    log = out_dir / "sub-01" / "log" / "run1"
    log.mkdir(parents=True)
    (log / "fetalt2prep.toml").write_text('denoise = "nlm"\n[recon]\nseed = 7\n')
    said = build(out_dir).sections["methods"]
    assert "denoised with non-local means [1], with one noise level" in said
    assert "Buades" in said
    assert "Sitzmann" not in said  # nothing of it was used
    assert "even over the thickness of the slice" in said
    assert "a Gaussian whose full width" not in said
    assert f"a Gaussian of {IN_PLANE_FWHM:.1f} pixels" in said
    assert "sampled at 0.8 mm. The random seed was 7." in said


def test_the_standard_error_states_its_range_and_what_lies_above(make_session) -> None:
    out_dir = make_session()
    path = out_dir / "sub-01" / "anat" / "sub-01_rec-inr_desc-uncertainty_T2map.nii.gz"
    image = nib.load(path)
    stderr_s = image.get_fdata()
    brain = np.isfinite(stderr_s)
    before = build(out_dir).sections["t2"]
    assert "Standard error of T2 from noise alone" in before
    assert "0 to 10 ms (0 % of the brain voxels above)" in before  # 4 % of 250 ms
    i, j, _ = np.indices(brain.shape)
    stderr_s[brain & (i == 3) & (j < 8)] = 2.0
    share = 100 * np.mean(stderr_s[brain] == 2.0)
    assert 0 < share < 5
    nib.save(nib.Nifti1Image(stderr_s.astype(np.float32), image.affine), path)
    page = build(out_dir)
    assert f"0 to 10 ms ({share:.0f} % of the brain voxels above)" in page.sections["t2"]
    assert "turquoise: above it" in page.sections["t2"]
    assert "exceeds T2 itself" not in page.sections["summary"]


def test_a_standard_error_beyond_t2_itself_is_pointed_out(make_session) -> None:
    out_dir = make_session()
    path = out_dir / "sub-01" / "anat" / "sub-01_rec-inr_desc-uncertainty_T2map.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image((50 * image.get_fdata()).astype(np.float32), image.affine), path)  # 200 % of T2
    assert "exceeds T2 itself in 100 % of the brain voxels" in build(out_dir).sections["summary"]


def test_every_picture_exists_has_words_and_lies_beside_the_page(whole) -> None:
    out_dir, page = whole
    pictures = page.all("img")
    assert len(pictures) == 3 + 3 + 2 + 4  # sheets, slices, raw and result; the map three times and its errors
    for picture in pictures:
        assert len(picture["alt"] or "") > 20
        assert (out_dir / (picture["src"] or "")).is_file()
        assert int(picture.get("width") or picture.get("data-width") or 0) > 0
    assert all(a.get("aria-label") for a in page.all("svg"))


def test_nothing_is_loaded_from_a_network_and_only_our_scripts_run(whole) -> None:
    out_dir, page = whole
    text = (out_dir / "sub-01.html").read_text(encoding="utf-8")
    names = {tag for tag, _ in page.tags}
    assert not names & {"link", "iframe", "object", "embed", "base", "form"}
    assert not [a["src"] for _, a in page.tags if not (a.get("src") or "./").startswith("./")]
    assert all(
        tag in ("a", "svg")
        for tag, attrs in page.tags
        if any("//" in (v or "") for k, v in attrs.items() if k != "xlink:href")
    )
    (policy,) = [a["content"] or "" for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2]
    running = [script for attrs, script in page.scripts if "type" not in attrs]
    assert len(running) == 2
    assert all(script_hash(script) in policy for script in running)
    library = [script for attrs, script in page.scripts if attrs.get("id") == "niivue-library"]
    assert [script_hash(script) in policy for script in library] == [True]
    assert not re.findall(r"@import|url\((?!#)", text.partition("<script")[0])


def test_the_viewer_holds_the_volumes_on_the_ranges_of_the_pictures(whole) -> None:
    out_dir, page = whole
    (data,) = [json.loads(script) for attrs, script in page.scripts if attrs.get("id") == "volumes-0"]
    labels = [volume["label"] for volume in data["volumes"]]
    assert labels == ["Echo at 100 ms", "Echo at 200 ms", "Echo at 300 ms", "T2", "Standard error of T2"]
    t2 = data["volumes"][3]
    assert (t2["low"], t2["high"], t2["unit"], t2["over"]) == (0.0, 600.0, " ms", True)
    image = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(t2["data"])))
    t2_s = nib.load(out_dir / "sub-01" / "anat" / "sub-01_rec-inr_T2map.nii.gz").get_fdata()
    np.testing.assert_allclose(image.get_fdata(), 1000 * np.nan_to_num(t2_s), atol=1.0)
    assert data["volumes"][0]["high"] == pytest.approx(670.3, abs=0.1)
    options = [a for tag, a in page.tags if tag == "option"]
    assert [a["value"] for a in options] == ["0", "1", "2", "3", "4", ""]


def test_the_viewer_is_the_file_that_npm_gave() -> None:
    digest = hashlib.sha256(NIIVUE.read_bytes()).hexdigest()
    readme = (NIIVUE.parent / "README.md").read_text("utf-8")
    assert digest in readme
    assert "BSD 2-Clause License" in (NIIVUE.parent / "niivue.LICENSE").read_text("utf-8")
    assert "</script" not in NIIVUE.read_text("utf-8").lower()


def test_a_single_file_holds_all_it_shows(make_session) -> None:
    out_dir = make_session()
    build(out_dir)
    page = build(out_dir, single_file=True)
    assert not list((out_dir / "sub-01" / "figures").iterdir())
    assert {(a["src"] or "").partition(";")[0] for a in page.all("img")} == {"data:image/png"}
    assert not [a for a in page.all("a") if (a["href"] or "").startswith("./")]
    assert (out_dir / "sub-01.html").stat().st_size < 25e6


def test_without_the_viewer_the_page_is_small(make_session) -> None:
    out_dir = make_session()
    page = build(out_dir, viewer=False)
    assert "viewer" not in page.sections
    assert not [attrs for attrs, _ in page.scripts if "id" in attrs]
    assert (out_dir / "sub-01.html").stat().st_size < 1e6


def test_without_a_t2_map_the_viewer_shows_the_echoes(make_session) -> None:
    page = build(make_session(te_s=(0.12, 0.12), fit_t2=False))
    (data,) = [json.loads(script) for attrs, script in page.scripts if attrs.get("id") == "volumes-0"]
    assert [volume["over"] for volume in data["volumes"]] == [False]


def test_tables_pictures_and_slices_are_reached_with_the_keyboard(whole) -> None:
    _, page = whole
    regions = [
        a for tag, a in page.tags if tag == "div" and (a.get("class") or "").split(" ")[0] in ("scroll", "picture")
    ]
    assert len(regions) >= 9
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in regions)
    targets = {a["href"] for a in page.all("a") if (a["href"] or "").startswith("#")}
    assert targets == {f"#{s}" for s in SECTIONS} | {"#content"}
    cells = [a for a in page.all("button") if "cell" in (a.get("class") or "")]
    assert len(cells) == 2 * sum(k["data-column"] is not None for k in cells) // 2
    assert {a["data-stack"] for a in cells} == {"0", "1", "2"}
    assert len([a for a in cells if a.get("data-start")]) == 2  # the same slice in both maps


def test_audit_quality_density_and_under_determined_regions_are_shown_when_they_are_there(make_session) -> None:
    gap = {"centre_mm": [0.0, 2.5, -13.6], "volume_mm3": 2100.0, "te_s": [0.1, 0.3], "share_of_mask": 0.041}
    out_dir = make_session(facts={"under_determined": [gap]})
    assert "Header audit" not in build(out_dir).sections["inputs"]
    start = f"{out_dir}/sub-01/anat/sub-01_rec-inr"
    stack = "sub-01_acq-ax_run-1_T2w"
    write_rows(
        [{"stack": stack, "snr": 23.456, "sharpness_per_mm": 0.5, "reason": "n/a"}],
        Path(f"{start}_desc-quality_stats.tsv"),
    )
    finding = {"check": "slice_gap", "level": "warning", "found": EVIL, "action": "none"}
    write_rows([{"stack": stack} | finding], Path(f"{start}_desc-audit_stats.tsv"))
    write_image(np.full(SHAPE, 4.5, np.float32), AFFINE, Path(f"{start}_desc-density_T2w.nii.gz"))
    page = build(out_dir)
    assert "Header audit" in page.sections["inputs"]
    assert f"slice gap warning {EVIL} none" in page.sections["inputs"]
    assert "23.5 0.5" in page.sections["inputs"]
    assert f"slice gap: {EVIL}" in page.sections["summary"]
    assert "0 to 5: dark voxels" in page.sections["reconstruction"]
    assert "At 100 and 300 ms: 2100 mm³" in page.sections["reconstruction"]
    assert "Too few slices measure 4 % of the brain mask" in page.sections["summary"]


def test_time_and_memory_of_each_stage_are_shown(make_session) -> None:
    out_dir = make_session()
    log = out_dir / "sub-01" / "log" / "run1"
    log.mkdir(parents=True)
    row = {"session": "sub-01", "step": "fetal_t2_wf.recon_wf.recon", "status": "done"}
    write_rows([row | {"wall_seconds": 49.2, "peak_memory_gb": 0.98}], log / "stages.tsv")
    about = build(out_dir).sections["about"]
    assert "recon recon 49.2 s, 0.98 GB" in about
    assert "random seed 7" in about


def test_text_of_the_dataset_is_escaped_wherever_it_comes_from(make_session) -> None:
    out_dir = make_session(
        set_aside_reason=EVIL,
        extra_meta={"EchoTime": EVIL, "SeriesDescription": EVIL},
        facts={"notes": [EVIL], EVIL: EVIL},
    )
    log = out_dir / "sub-01" / "log" / "run1"
    log.mkdir(parents=True)
    (log / "crash-1.txt").write_text(
        f"Node inputs:\n\nname = secret\n\nTraceback (most recent call last):\n  {EVIL}\nValueError: {EVIL}\n"
    )
    (log / "app.toml").write_text(f'model = "{EVIL}"\n')
    (out_dir / "dataset_description.json").write_text(json.dumps({"GeneratedBy": [{"Name": EVIL, "Version": EVIL}]}))
    page = build(out_dir, errors=[Message(text=EVIL)])
    assert not [script for _, script in page.scripts if "owned" in script]
    assert len(page.scripts) == 4  # two of ours, the library of the viewer, its volumes
    for section in ("summary", "inputs", "errors", "about"):
        assert EVIL in page.sections[section], section  # shown as text
    assert "secret" not in page.sections["errors"]


def test_no_patient_field_reaches_the_page(make_session) -> None:
    secrets = {
        key: f"secret{n}" for n, key in enumerate(("PatientName", "PatientID", "PatientBirthDate", "AcquisitionTime"))
    }
    out_dir = make_session(extra_meta=dict(secrets))
    build(out_dir)
    written = [out_dir / "sub-01.html", *(out_dir / "sub-01" / "figures").iterdir()]
    for path in written:
        assert b"secret" not in path.read_bytes(), path.name


def test_one_echo_time_explains_why_there_is_no_t2_map(make_session) -> None:
    page = build(make_session(te_s=(0.12, 0.12), fit_t2=False))
    for section in ("summary", "t2"):
        assert "every stack in use has the echo time 120 ms" in page.sections[section]
    assert "2 of 3 stacks were used, at 1 echo time (120 ms)." in page.sections["summary"]
    assert "T2 and S0 were fitted" not in page.sections["methods"]
    assert not [a for a in page.all("img") if "T2map" in (a["src"] or "")]


def test_two_echo_times_are_pointed_out(make_session) -> None:
    page = build(make_session(te_s=(0.1, 0.3)))
    assert "Two echo times: the decay curve" in page.sections["summary"]


def test_mese_stacks_are_shown_beside_t2w_stacks_of_the_same_entities(make_session) -> None:
    out_dir = make_session(suffixes=("T2w", "MESE"))
    (session,) = find_sessions(out_dir, "01")
    pictures = {picture.label: float(picture.pixels.max()) for picture in stack_pictures(session)}
    assert pictures == {
        f"acq-ax run-{n}{end}": level for n in (1, 2, 3) for end, level in (("", 200.0), (" MESE", 100.0))
    }
    assert len({motion.label for motion in stack_motions(session)}) == 6
    page = build(out_dir)
    assert any("acq-ax run-2 MESE at 200 ms" in (a["alt"] or "") for a in page.all("img"))


@pytest.mark.parametrize(
    ("stack", "label"),
    [
        ("sub-01_ses-2_acq-ax_run-1_T2w", "acq-ax run-1"),
        ("sub-01_echo-2_MESE.nii.gz", "echo-2 MESE"),
        ("sub-01_T2w", "T2w"),
    ],
)
def test_short_labels(stack: str, label: str) -> None:
    assert short_label(stack) == label


def test_two_sessions_are_told_apart_and_in_order(make_session) -> None:
    make_session("02", te_s=(0.1, 0.1), fit_t2=False)
    out_dir = make_session("01")
    page = build(out_dir)
    for section in ("summary", "inputs", "reconstruction", "t2", "motion", "viewer", "methods"):
        text = page.sections[section]
        assert 0 <= text.index("Session 01") < text.index("Session 02"), section
    sources = [a["src"] or "" for a in page.all("img")]
    assert len([s for s in sources if "_ses-01_" in s]) == 12
    assert len([s for s in sources if "_ses-02_" in s]) == 2 + 2 + 3  # sheets, slices, raw and result twice
    assert all((out_dir / s).is_file() for s in sources)


def test_figures_of_an_earlier_page_do_not_stay(make_session) -> None:
    out_dir = make_session("01")
    make_session("02")
    build(out_dir)
    shutil.rmtree(out_dir / "sub-01" / "ses-02")
    build(out_dir)
    assert not list((out_dir / "sub-01" / "figures").glob("*_ses-02_*"))


@pytest.mark.parametrize("name", ["app.toml", "logs"])
def test_options_of_this_run_are_shown(make_session, name: str) -> None:
    out_dir = make_session()
    path = out_dir / "sub-01" / "log" / "run1" / name if name.endswith("toml") else out_dir / "logs" / "run-run1.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[recon]\nmodel = "decay"\nresolution_mm = 0.8\n')
    page = build(out_dir)
    assert "recon.resolution_mm 0.8" in page.sections["about"]

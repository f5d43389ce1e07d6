"""T2 of regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits


class _RegionStatisticsInputSpec(BaseInterfaceInputSpec):
    t2map = File(exists=True, mandatory=True, desc="T2, s; NaN without an answer")
    t2_stderr = File(exists=True, mandatory=True, desc="standard error of T2, s")
    valid = File(exists=True, mandatory=True, desc="reason codes of the fit")
    mask = File(exists=True, mandatory=True, desc="where T2 was fitted")
    csf_probability = File(exists=True, desc="probability that 5 % or more of the voxel is fluid")
    csf_info = File(exists=True, desc="JSON: what was assumed of tissue and fluid; joins the description")
    segmentation = File(exists=True, desc="label map in the space of the map; without it, classes of T2")
    labels = traits.Str(desc="feta, bounti, dhcp or a TSV; without it, as the label map's name or table says")
    element_mm3 = traits.Float(desc="volume that the scanner resolved: voxels within it are not independent")
    gestational_age_weeks = traits.Float(desc="gestational age at the scan")
    notes = traits.List(traits.Str, desc="what a reader of the table should know")


class _RegionStatisticsOutputSpec(TraitedSpec):
    region_table = File(exists=True, desc="TSV: one row for the mask and one per region")
    region_info = File(exists=True, desc="JSON: what its columns are, where the regions are from, notes")


class RegionStatistics(SimpleInterface):
    """Median, quartiles, weighted mean with its error, volume and valid share of T2, region by region."""

    input_spec = _RegionStatisticsInputSpec
    output_spec = _RegionStatisticsOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import json

        import numpy as np

        from fetalt2prep.core.t2.regions import T2Maps
        from fetalt2prep.io.region_files import regions_of, write_region_table
        from fetalt2prep.io.volume import read_volume

        i, cwd = self.inputs, Path(runtime.cwd)
        t2, affine, _ = read_volume(Path(i.t2map))
        stderr, valid, mask = (read_volume(Path(path))[0] for path in (i.t2_stderr, i.valid, i.mask))
        csf = read_volume(Path(i.csf_probability))[0] if isinstance(i.csf_probability, str) else None
        maps, inside = T2Maps(t2_s=t2, stderr_s=stderr, csf_probability=csf), mask > 0
        regions = regions_of(
            maps,
            np.rint(valid).astype(np.uint8),
            inside,
            affine,
            segmentation=Path(i.segmentation) if isinstance(i.segmentation, str) else None,
            labels=i.labels if isinstance(i.labels, str) else None,
        )
        regions.notes.extend(i.notes if isinstance(i.notes, list) else [])
        facts = json.loads(Path(i.csf_info).read_text()) if isinstance(i.csf_info, str) else {}
        write_region_table(
            regions,
            inside,
            maps,
            float(abs(np.linalg.det(affine[:3, :3]))),
            cwd / "regions.tsv",
            element_mm3=i.element_mm3 or None,
            gestational_age_weeks=i.gestational_age_weeks or None,
            facts={"Fluid": facts} if facts else None,
        )
        self._results.update(region_table=str(cwd / "regions.tsv"), region_info=str(cwd / "regions.json"))
        return runtime

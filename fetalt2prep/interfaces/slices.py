"""The table of slices, completed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec


class _MarkSlicesInputSpec(BaseInterfaceInputSpec):
    slice_table = File(exists=True, mandatory=True, desc="TSV of the reconstruction, one row per slice")
    slice_quality = File(exists=True, mandatory=True, desc="TSV of AssessStacks, one row per slice")


class _MarkSlicesOutputSpec(TraitedSpec):
    slice_table = File(exists=True, desc="the first with the columns of the second at its end")


class MarkSlices(SimpleInterface):
    """Add to each slice of the reconstruction how much signal it lost against the other stacks."""

    input_spec = _MarkSlicesInputSpec
    output_spec = _MarkSlicesOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.io.tables import MISSING, read_tsv, write_tsv

        table, quality = (read_tsv(Path(path)) for path in (self.inputs.slice_table, self.inputs.slice_quality))
        row_of = {key: n for n, key in enumerate(zip(quality["stack"], quality["slice"], strict=True))}
        rows = [row_of.get(key) for key in zip(table["stack"], table["slice"], strict=True)]
        for column in ("lost_share", "dropped"):
            table[column] = [MISSING if row is None else quality[column][row] for row in rows]
        self._results["slice_table"] = str(write_tsv(table, Path(runtime.cwd) / "slices.tsv"))
        return runtime

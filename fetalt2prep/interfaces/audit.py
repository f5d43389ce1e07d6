"""Audit of the headers of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits


class _AuditHeadersInputSpec(BaseInterfaceInputSpec):
    in_files = traits.List(File(exists=True), mandatory=True, minlen=1, desc="stacks as they came")
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="echo time of each stack, s")
    thicknesses_mm = traits.List(
        traits.Either(None, traits.Float), desc="slice thickness of each stack, mm; None or empty: unknown"
    )
    slice_directions = traits.List(
        traits.Either(None, traits.Str),
        desc="SliceEncodingDirection of each stack; None or empty: from the sidecar beside the stack, else k",
    )


class _AuditHeadersOutputSpec(TraitedSpec):
    audit_table = File(exists=True, desc="TSV, one row per finding")


class AuditHeaders(SimpleInterface):
    """Compare what the headers say with themselves and with each other; never fails for what it finds."""

    input_spec = _AuditHeadersInputSpec
    output_spec = _AuditHeadersOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.interfaces.stack_table import unique_names
        from fetalt2prep.io.header_audit import audit_headers, columns
        from fetalt2prep.io.tables import write_tsv

        i = self.inputs
        files = [Path(path) for path in i.in_files]
        optional = [
            list(values) if isinstance(values, list) and values else [None] * len(files)
            for values in (i.thicknesses_mm, i.slice_directions)
        ]
        findings = audit_headers(files, unique_names(files), i.echo_times_s, *optional)
        self._results["audit_table"] = str(write_tsv(columns(findings), Path(runtime.cwd) / "audit.tsv"))
        return runtime

"""The refinement of a session's T2 map by its guide, as nodes of the session's workflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nipype.pipeline import engine as pe

from bids_app.options import Options
from bids_app.outputs_guided import SinkGuided
from bids_app.session import SessionInputs
from fetalt2prep.workflows.guided import OUTPUTS, init_guided_wf

Ports = Sequence[tuple[str, str]]


def add_guided(
    workflow: pe.Workflow,
    session: SessionInputs,
    options: Options,
    maps: Sequence[tuple[pe.Node | pe.Workflow, Ports]],
    reconstruct: Callable[[], pe.Workflow] | None = None,
) -> None:
    """Connect the refinement and its sink.

    Parameters
    ----------
    workflow, session, options
        The session's workflow; the session with its guide; options of the run.
    maps
        What gives t2map, s0map, mask and te_s, with the ports of each.
    reconstruct
        Adds the reconstruction of the guide's stacks to the workflow and gives it; for a guide of stacks.
    """
    guide = session.guide
    if guide is None:
        return
    guided_wf = init_guided_wf()
    for source, ports in maps:
        workflow.connect([(source, guided_wf, [(port, f"inputnode.{name}") for port, name in ports])])
    sink = pe.Node(SinkGuided(session=session, options=options), name="sink_guided", run_without_submitting=True)
    if guide.stacks and reconstruct is not None:
        guide_wf = reconstruct()
        workflow.connect([
            (guide_wf, guided_wf, [("outputnode.echo_files", "inputnode.guide_files")]),
            (guide_wf, guided_wf, [("outputnode.te_s", "inputnode.guide_te_s")]),
            (guide_wf, sink, [("outputnode.stack_table", "stack_table")]),
        ])  # fmt: skip
    else:
        guided_wf.inputs.inputnode.guide_files = [str(image.image) for image in guide.images]
        guided_wf.inputs.inputnode.guide_te_s = [image.te_s for image in guide.images]
    workflow.connect([(guided_wf, sink, [(f"outputnode.{port}", port) for port in OUTPUTS])])

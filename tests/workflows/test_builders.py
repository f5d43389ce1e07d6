"""Nipype builds a graph with an unfed output in silence: every port of every builder is checked here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nipype.interfaces.base import isdefined
from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

import fetalt2prep.workflows
from fetalt2prep.core.quality.options import QualityOptions
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.workflows.fetal_t2 import init_fetal_t2_wf


def builders() -> dict[str, Callable[..., pe.Workflow]]:
    found = {}
    for module in pkgutil.iter_modules(fetalt2prep.workflows.__path__, "fetalt2prep.workflows."):
        content = vars(importlib.import_module(module.name))
        found |= {
            name: value
            for name, value in content.items()
            if name.startswith("init_") and value.__module__ == module.name
        }
    return found


def test_the_walk_finds_every_builder() -> None:
    steps = ("bias", "denoise", "fetal_t2", "guided", "mask", "quality", "recon", "t2")
    assert sorted(builders()) == [f"init_{step}_wf" for step in steps]


def variants() -> list[Any]:
    cases = [pytest.param(builder, {}, id=name) for name, builder in builders().items()]
    extra = [
        {"fit_t2": False},
        {"reconstruct": False},
        {"denoise": "none"},
        {"bias": "none"},
        {"bias": "none", "reconstruct": False},
        {"recon": ReconOptions(model="mcreg", alpha=0.1)},
    ]
    extra += [{"quality": QualityOptions(select="all", consensus=True, gestational_age_weeks=28.0)}]
    extra += [{"sample_mm": (0.5, 1.0)}, {"sample_mm": (0.5,), "fit_t2": False}]
    return cases + [pytest.param(init_fetal_t2_wf, options, id=str(options)) for options in extra]


UNUSED = {
    ("{'fit_t2': False}", "recon_wf"): ["echo_stderr_files"],
    ("{'sample_mm': (0.5,), 'fit_t2': False}", "recon_wf"): ["echo_stderr_files"],
    ("{'reconstruct': False}", "quality_wf"): ["echo_times_s", "thicknesses_mm", "slice_times_s", "slice_quality"],
    ("{'reconstruct': False}", "denoise_wf"): ["noise_sigmas", "noise_floors"],
    ("{'bias': 'none', 'reconstruct': False}", "quality_wf"): [
        *("echo_times_s", "thicknesses_mm", "slice_times_s", "slice_quality")
    ],
    ("{'bias': 'none', 'reconstruct': False}", "denoise_wf"): ["noise_sigmas", "noise_floors"],
}
"""Outputs of inner workflows that nothing takes when a later step is left out."""


def all_workflows(workflow: pe.Workflow) -> Iterator[pe.Workflow]:
    yield workflow
    for node in workflow._graph.nodes:
        if isinstance(node, pe.Workflow):
            yield from all_workflows(node)


def fed(workflow: pe.Workflow, node: Any) -> set[str]:
    """Ports of a node, or ``inputnode.port`` of a workflow, that something is connected to."""
    edges = workflow._graph.in_edges(node, data=True)
    return {target for _, _, data in edges for _, target in data["connect"]}


def used(workflow: pe.Workflow, node: Any) -> set[str]:
    """Ports that are connected to something."""
    edges = workflow._graph.out_edges(node, data=True)
    return {source if isinstance(source, str) else source[0] for _, _, data in edges for source, _ in data["connect"]}


@pytest.mark.parametrize(("builder", "options"), variants())
def test_every_output_is_fed_and_every_input_used(builder: Any, options: dict[str, Any]) -> None:
    for workflow in all_workflows(builder(**options)):
        inputnode, outputnode = workflow.get_node("inputnode"), workflow.get_node("outputnode")
        assert used(workflow, inputnode) == set(inputnode.inputs.copyable_trait_names()), workflow.fullname
        assert fed(workflow, outputnode) == set(outputnode.inputs.copyable_trait_names()), workflow.fullname


@pytest.mark.parametrize(("builder", "options"), variants())
def test_inner_workflows_are_wired_completely(builder: Any, options: dict[str, Any]) -> None:
    for workflow in all_workflows(builder(**options)):
        for inner in workflow._graph.nodes:
            if not isinstance(inner, pe.Workflow):
                continue
            inputs = {f"inputnode.{port}" for port in inner.get_node("inputnode").inputs.copyable_trait_names()}
            outputs = {f"outputnode.{port}" for port in inner.get_node("outputnode").inputs.copyable_trait_names()}
            assert fed(workflow, inner) == inputs, inner.fullname
            unused = outputs - used(workflow, inner)
            assert unused == {f"outputnode.{port}" for port in UNUSED.get((str(options), inner.name), ())}, (
                inner.fullname
            )


@pytest.mark.parametrize(("builder", "options"), variants())
def test_every_mandatory_input_of_a_node_is_set_or_connected(builder: Any, options: dict[str, Any]) -> None:
    for workflow in all_workflows(builder(**options)):
        for node in workflow._graph.nodes:
            if isinstance(node, pe.Workflow) or node.name in ("inputnode", "outputnode"):
                continue
            connected = fed(workflow, node)
            for name in node.interface.inputs.traits(mandatory=True):
                assert name in connected or isdefined(getattr(node.inputs, name)), f"{node.fullname}.{name}"


@pytest.mark.parametrize("name", sorted(builders()))
def test_builders_document_their_ports(name: str) -> None:
    builder = builders()[name]
    documented = inspect.getdoc(builder) or ""  # from Python 3.13 on, the compiler takes the indentation off
    inputs, _, outputs = documented.partition("\nOutputs\n-------")
    assert "\nInputs\n------" in inputs
    workflow = builder()
    for node, text in (("inputnode", inputs), ("outputnode", outputs)):
        for port in workflow.get_node(node).inputs.copyable_trait_names():
            assert port in text, f"{name}: {node}.{port} is not documented"


def test_options_reach_the_reconstruction() -> None:
    recon = ReconOptions(
        model="mcreg", field="siren", motion="siren", resolution_mm=1.2, alpha=0.3, seed=7, device="cuda:1", mem_mb=2500
    )
    node = init_fetal_t2_wf(recon=recon, n_threads=3, mem_gb=5).get_node("recon_wf.recon")
    for name, value in vars(recon).items():
        assert getattr(node.inputs, name) == value, name
    assert (node.inputs.n_threads, node.n_procs, node.mem_gb) == (3, 3, 5)
    assert node.is_gpu_node() if callable(getattr(node, "is_gpu_node", None)) else node.inputs.use_gpu
    plain = init_fetal_t2_wf().get_node("recon_wf.recon").inputs
    assert not plain.use_gpu
    assert not isdefined(plain.alpha)
    assert init_fetal_t2_wf(bias="n4").get_node("bias_wf.bias") is not None
    assert init_fetal_t2_wf(bias="none").get_node("bias_wf") is None
    assert init_fetal_t2_wf(denoise="none").get_node("denoise_wf.denoise").inputs.method == "none"


def test_threads_do_not_change_the_hash_but_the_device_does() -> None:
    def hash_of(**options: Any) -> str:
        n_threads = options.pop("n_threads", 1)
        node = init_fetal_t2_wf(recon=ReconOptions(**options), n_threads=n_threads).get_node("recon_wf.recon")
        return str(node.inputs.get_hashval()[1])

    assert hash_of() == hash_of(n_threads=4)
    assert len({hash_of(), hash_of(device="cuda"), hash_of(seed=1), hash_of(model="sc")}) == 4


def test_it_embeds_in_another_workflow() -> None:
    outer = pe.Workflow(name="mine")
    source = pe.Node(IdentityInterface(fields=["stacks", "te"]), name="source")
    sink = pe.Node(IdentityInterface(fields=["t2map"]), name="sink")
    inner = init_fetal_t2_wf()
    outer.connect([
        (source, inner, [("stacks", "inputnode.stacks"), ("te", "inputnode.echo_times_s")]),
        (inner, sink, [("outputnode.t2map", "t2map")]),
    ])  # fmt: skip
    names = [node.fullname for node in outer._create_flat_graph().nodes]
    for step in (
        "check",
        "mask_wf.mask",
        "quality_wf.assess",
        "quality_wf.select",
        "denoise_wf.denoise",
        "bias_wf.bias",
        "recon_wf.recon",
        "t2_wf.fit",
    ):
        assert f"mine.fetal_t2_wf.{step}" in names
    order = [node.name for node in pe.workflows.topological_sort(outer._create_flat_graph())[0]]
    steps = ["check", "mask", "select", "denoise", "bias", "recon", "fit"]
    assert [name for name in order if name in steps] == steps

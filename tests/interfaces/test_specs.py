"""Input and output specs carry metadata that Nipype knows: a misspelt one switches a check off in silence."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from nipype.interfaces.base import BaseInterface, File, traits
from traits.api import CTrait

import fetalt2prep.interfaces

KNOWN = {"argstr", "copyfile", "deprecated", "desc", "exists", "extensions", "genfile", "hash_files"}
KNOWN |= {
    "keep_extension",
    "mandatory",
    "max_ver",
    "maxlen",
    "min_ver",
    "minlen",
    "name_source",
    "name_template",
}
KNOWN |= {"new_name", "nohash", "output_name", "position", "requires", "sep", "units", "usedefault", "xor"}
# What traits writes itself, whatever one passes.
OF_TRAITS = (
    set(traits.List()._metadata) | set(traits.Range(0, 1)._metadata) | {"array", "default", "rich_compare", "type"}
)


def metadata_of(trait: CTrait) -> set[str]:
    return (set(trait.__dict__ or {}) | set(getattr(trait.trait_type, "_metadata", ()))) - OF_TRAITS


def interfaces() -> list[type[BaseInterface]]:
    found = set()
    for module in pkgutil.iter_modules(fetalt2prep.interfaces.__path__, "fetalt2prep.interfaces."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseInterface) and value.__module__ == module.name:
                found.add(value)
    return sorted(found, key=lambda cls: cls.__name__)


def test_the_walk_finds_every_step() -> None:
    names = {cls.__name__ for cls in interfaces()}
    steps = {"BrainMask", "CheckStacks", "Denoise", "FitT2", "JointRecon", "SelectStacks", "Simulate"}
    steps |= {"AssessStacks", "AuditHeaders", "BiasField", "DenoiseSeries", "MarkSlices"}
    steps |= {"BiasBudget", "CheckVolumes", "FlagCsf", "GuidedSuperResolution", "KtRecon", "RegionStatistics"}
    steps |= {"SampleField", "SenseRecon", "SplitVolumes"}
    assert names == steps


def traits_of(spec: Any) -> Iterator[tuple[str, CTrait]]:
    for name in spec.copyable_trait_names():
        trait = spec.trait(name)
        yield name, trait
        yield from ((f"{name}[]", inner) for inner in trait.inner_traits)


@pytest.mark.parametrize("cls", interfaces(), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("side", ["input_spec", "output_spec"])
def test_only_known_metadata(cls: type[BaseInterface], side: str) -> None:
    for name, trait in traits_of(getattr(cls, side)()):
        assert metadata_of(trait) - KNOWN == set(), f"{cls.__name__}.{side}.{name}"


@pytest.mark.parametrize("cls", interfaces(), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("side", ["input_spec", "output_spec"])
def test_every_port_is_described_and_every_file_is_checked(cls: type[BaseInterface], side: str) -> None:
    spec = getattr(cls, side)()
    for name in spec.copyable_trait_names():
        assert spec.trait(name).desc, f"{cls.__name__}.{side}.{name} has no description"
    for name, trait in traits_of(spec):
        if isinstance(trait.trait_type, File):
            assert trait.trait_type.exists, f"{cls.__name__}.{side}.{name}: File without exists=True"


def test_the_check_would_see_a_misspelt_word() -> None:
    assert metadata_of(File(exist=True).as_ctrait()) - KNOWN == {"exist"}


@pytest.mark.parametrize("module", ["fetalt2prep.workflows.fetal_t2", "fetalt2prep.interfaces.recon"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    probe = f"import sys, {module}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=_root())
    loaded = {name.split(".")[0] for name in ran.stdout.split()}
    assert loaded & {"torch", "skimage", "SimpleITK", "matplotlib", "bids", "niworkflows"} == set()
    ours = {name for name in ran.stdout.split() if name.startswith(("fetalt2prep.io", "fetalt2prep.core"))}
    options = {"fetalt2prep.core.recon", "fetalt2prep.core.recon.options"}
    options |= {
        f"fetalt2prep.core.{step}{end}" for step in ("bias", "denoise", "quality", "t2") for end in ("", ".options")
    }
    assert ours <= {"fetalt2prep.core", *options}


def _root() -> str:
    from pathlib import Path

    return str(Path(fetalt2prep.interfaces.__file__).parents[2])

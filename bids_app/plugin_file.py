"""The file of ``--use-plugin``: Nipype's plugin for a cluster, and its arguments."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_app.options import OptionError

KEYS = ("plugin", "plugin_args")


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin of Nipype by its name, such as ``SLURM``."""

    name: str
    args: dict[str, Any]

    @property
    def waits(self) -> bool:
        """Whether it stays until the steps have ended; those for whole graphs submit them and return."""
        return not self.name.endswith("Graph") and self.name != "CondorDAGMan"


def read_plugin(path: Path) -> Plugin:
    """Plugin and arguments from a YAML or TOML file, as fMRIPrep has it: ``plugin: SLURM``, ``plugin_args: {...}``.

    Raises
    ------
    OptionError
        Not readable, another key, or a plugin that Nipype does not have.
    """
    import yaml
    from nipype.pipeline import plugins

    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise OptionError(f"--use-plugin {path}: cannot be read ({' '.join(str(error).split())}).") from error
    if not isinstance(content, dict) or (unknown := [key for key in content if key not in KEYS]):
        found = "no table" if not isinstance(content, dict) else f"unknown key {', '.join(map(str, unknown))}"
        raise OptionError(f"--use-plugin {path}: {found}; known are {', '.join(KEYS)}.")
    known = sorted(name.removesuffix("Plugin") for name in vars(plugins) if name.endswith("Plugin"))
    name, args = content.get("plugin"), content.get("plugin_args") or {}
    if not isinstance(name, str) or name not in known:
        raise OptionError(f"--use-plugin {path}: plugin is {name!r}; Nipype has {', '.join(known)}.")
    if not isinstance(args, dict):
        raise OptionError(f"--use-plugin {path}: plugin_args is {args!r}; it is a table of arguments.")
    return Plugin(name=name, args=args)

"""The environment variables that the application's dependencies read while they are imported."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def prepare_environment() -> None:
    """Switch off telemetry, point TemplateFlow at a stub, and give a home to who has none that can be used.

    ``NO_ET`` and ``NIPYPE_NO_ET`` stop Nipype from asking a server for its newest version. With a missing or
    empty home TemplateFlow unpacks thousands of files at import, or fails when it cannot write; no template
    is used here, so its home is always the stub of this package. matplotlib writes below the home folder, and pybids
    fails when it may not look for its settings there. Worker processes inherit all of it.
    """
    os.environ["NO_ET"] = "1"
    os.environ["NIPYPE_NO_ET"] = "1"
    os.environ["TEMPLATEFLOW_HOME"] = str(Path(__file__).parent / "data" / "templateflow")
    os.environ.setdefault("LOGNAME", f"uid{os.getuid()}")  # Nipype names the jobs of a cluster after it
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep: on a shared node spinning costs others
    home = Path("~").expanduser()
    if not os.access(home, os.W_OK | os.X_OK):
        folder = Path(tempfile.gettempdir()) / f"fetalt2prep-home-{os.getuid()}"
        folder.mkdir(exist_ok=True)
        os.environ.setdefault("MPLCONFIGDIR", str(folder))
        if not os.access(home, os.X_OK):
            os.environ["HOME"] = str(folder)

"""Simulator of multi-echo-time fetal brain MRI: phantom, motion, artefacts, acquisition, BIDS writer.

Draws first, applies after: ``draw_*`` functions take a generator and return tables that are recorded beside
the data; nothing else is random. The forward model is not the one that the reconstruction inverts (see
:mod:`.acquisition`).
"""

from fetalt2prep.sim.bids_writer import write_case
from fetalt2prep.sim.case import Case, simulate_case
from fetalt2prep.sim.options import CaseOptions

__all__ = ["Case", "CaseOptions", "simulate_case", "write_case"]

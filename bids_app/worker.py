"""Imported once by the server from which Nipype's parallel workers are forked.

The imports below are then paid for once, not by every worker. A worker's own messages would mix on the
terminal with those of its neighbours; the main process already says which step starts and ends, and a crash
file holds the rest, so only the stages of a long step are let through.
"""

from __future__ import annotations

import logging
import signal
import sys

from bids_app.log import stage_handler
from fetalt2prep.workflows import fetal_t2

__all__ = ["fetal_t2"]

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a worker without a traceback: the main process says it
logging.getLogger("nipype").handlers = [stage_handler(sys.stdout)]

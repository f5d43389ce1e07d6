"""fetalt2prep, the BIDS App: data sets in, derivatives and a report out."""

from __future__ import annotations

from bids_app.environment import prepare_environment

# Nipype, TemplateFlow and matplotlib read these variables when they are imported, so they are set before any
# module of the application can import them.
prepare_environment()

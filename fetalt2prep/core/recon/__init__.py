"""Joint multi-TE slice-to-volume reconstruction (seed method: arXiv 2508.10680)."""

"""What may follow CG-SENSE. Nothing else: parsers and graphs read it too."""

from __future__ import annotations

METHODS = ("unet", "none")
"""unet: the trained network, tied to the samples; none: nothing."""
CONSISTENCY_WEIGHT = 3.0
"""Of the network's estimate against the samples, unless another is asked for."""

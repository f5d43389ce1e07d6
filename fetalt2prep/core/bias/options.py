"""Names of the bias corrections, and what a sentence calls each. Nothing else: parsers and graphs read it too."""

from __future__ import annotations

BIASES = {
    "none": "none",
    "n4": "N4 on the geometric mean of all stacks, one field in scanner space for every stack and echo time",
}

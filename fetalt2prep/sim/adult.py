"""An adult head from the tissue maps of the MNI152 template that come with nilearn; nothing is downloaded."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from fetalt2prep.sim.label_map import lay_on_grid
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.subject import Subject

SKULL_MM, SCALP_MM = 6.0, 5.0
DEEP_MM = 18.0  # fluid deeper than this under the surface of the brain is ventricle


def load_adult(spacing_mm: float, multiple: int) -> Subject:
    """The template's head: white and grey matter where their map says so, fluid in the rest of the brain mask.

    The maps tell grey from white matter only; cerebellum, brainstem and nuclei are labelled as one or the other.
    Source: ICBM 2009a nonlinear template, as packaged by nilearn.
    """
    from nilearn import datasets  # slow to import, and only adults need it

    grey_image = datasets.load_mni152_gm_template(resolution=1)
    grey = np.asarray(grey_image.dataobj, np.float32)
    white = np.asarray(datasets.load_mni152_wm_template(resolution=1).dataobj, np.float32)
    fluid = 1.0 - grey - white
    hull = ndimage.binary_closing(np.pad(grey + white > 0.5, 12), iterations=10)[12:-12, 12:-12, 12:-12]
    brain = ndimage.binary_fill_holes(hull)
    depth = ndimage.distance_transform_edt(brain)
    labels = np.zeros(grey.shape, np.uint8)
    labels[brain] = np.where(depth[brain] > DEEP_MM, int(Label.VENTRICLES), int(Label.EXTRA_AXIAL_CSF))
    labels[brain & (grey >= white) & (grey > fluid)] = Label.CORTICAL_GREY
    labels[brain & (white > grey) & (white > fluid)] = Label.WHITE_MATTER
    source: dict[str, object] = {"template": "ICBM 2009a nonlinear MNI152, packaged in nilearn"}
    affine = np.asarray(grey_image.affine, np.float64)
    return lay_on_grid(labels, affine, spacing_mm, multiple, source, skull_mm=SKULL_MM, scalp_mm=SCALP_MM)

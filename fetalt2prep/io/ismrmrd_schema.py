"""Layout of ISMRMRD raw data in HDF5: the acquisition header, the flags used here, the XML header.

Version 1 of the format (doi:10.1002/mrm.26089, https://ismrmrd.readthedocs.io): a group with a data set ``xml`` and a
table ``data`` whose rows are a header, a trajectory and samples.
"""

from __future__ import annotations

import numpy as np

NAMESPACE = "http://www.ismrm.org/ISMRMRD"
ENCODING_COUNTERS = np.dtype(
    [
        ("kspace_encode_step_1", "<u2"),
        ("kspace_encode_step_2", "<u2"),
        ("average", "<u2"),
        ("slice", "<u2"),
        ("contrast", "<u2"),
        ("phase", "<u2"),
        ("repetition", "<u2"),
        ("set", "<u2"),
        ("segment", "<u2"),
        ("user", "<u2", (8,)),
    ]
)
ACQUISITION_HEADER = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", (3,)),
        ("number_of_samples", "<u2"),
        ("available_channels", "<u2"),
        ("active_channels", "<u2"),
        ("channel_mask", "<u8", (16,)),
        ("discard_pre", "<u2"),
        ("discard_post", "<u2"),
        ("center_sample", "<u2"),
        ("encoding_space_ref", "<u2"),
        ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"),
        ("position", "<f4", (3,)),
        ("read_dir", "<f4", (3,)),
        ("phase_dir", "<f4", (3,)),
        ("slice_dir", "<f4", (3,)),
        ("patient_table_position", "<f4", (3,)),
        ("idx", ENCODING_COUNTERS),
        ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
    ]
)
FLAG_BITS = {
    "noise": 19,
    "parallel_calibration": 20,
    "parallel_calibration_and_imaging": 21,
    "reverse": 22,
    "navigation": 23,
    "phase_correction": 24,
    "hp_feedback": 26,
    "dummy": 27,
    "rt_feedback": 28,
    "surface_coil_correction": 29,
}
"""Number of the bit, counted from 1."""
NOT_IMAGING = (
    "parallel_calibration",
    "navigation",
    "phase_correction",
    "hp_feedback",
    "dummy",
    "rt_feedback",
    "surface_coil_correction",
)
TICK_S = 2.5e-3
"""Of acquisition_time_stamp: vendors count in 2.5 ms."""


def flag(name: str) -> int:
    """Value of a flag."""
    return 1 << (FLAG_BITS[name] - 1)


def flagged(flags: np.ndarray, name: str) -> np.ndarray:
    """Whether each acquisition carries a flag."""
    return np.asarray(flags & np.uint64(flag(name)) != 0)


def xml_header(
    *,
    trajectory: str,
    matrix: tuple[int, int],
    encoded_x: int,
    fov_mm: tuple[float, float, float],
    n_coils: int,
    te_s: float,
    n_slices: int,
    embedded: bool = False,
) -> str:
    """The XML header; matrix: (y, x) of the image; encoded_x: samples of a readout; fov: x, y, slice.

    embedded: calibration lines lie among those of the image.
    """
    n_y, n_x = matrix
    over = encoded_x / n_x

    def space(name: str, x: int, fov_x: float, y: int) -> str:
        return (
            f"<{name}><matrixSize><x>{x}</x><y>{y}</y><z>1</z></matrixSize><fieldOfView_mm>"
            f"<x>{fov_x:g}</x><y>{fov_mm[1]:g}</y><z>{fov_mm[2]:g}</z></fieldOfView_mm></{name}>"
        )

    parallel = "<parallelImaging><calibrationMode>embedded</calibrationMode></parallelImaging>" if embedded else ""
    return (
        f'<?xml version="1.0"?>\n<ismrmrdHeader xmlns="{NAMESPACE}">'
        f"<acquisitionSystemInformation><receiverChannels>{n_coils}</receiverChannels></acquisitionSystemInformation>"
        "<experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>"
        f"<encoding>{space('encodedSpace', encoded_x, fov_mm[0] * over, n_y)}{space('reconSpace', n_x, fov_mm[0], n_y)}"
        f"<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{n_y - 1}</maximum>"
        f"<center>{n_y // 2}</center></kspace_encoding_step_1><slice><minimum>0</minimum>"
        f"<maximum>{n_slices - 1}</maximum><center>{n_slices // 2}</center></slice></encodingLimits>"
        f"<trajectory>{trajectory}</trajectory>{parallel}</encoding>"
        f"<sequenceParameters><TE>{1000 * te_s:g}</TE></sequenceParameters></ismrmrdHeader>\n"
    )

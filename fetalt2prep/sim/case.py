"""One simulated session: options in, stacks and truth out, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.stack import Stack
from fetalt2prep.sim.acquisition import Head, SliceEffects, StackPlan, acquire_mask
from fetalt2prep.sim.artefacts import CoilField, add_rician, draw_gains, draw_noise, draw_voids
from fetalt2prep.sim.kspace import colour_noise
from fetalt2prep.sim.motion import LEVELS, PoseTable, draw_motion, draw_recorded_motion
from fetalt2prep.sim.options import CaseOptions
from fetalt2prep.sim.phantom import Label, brain_mask
from fetalt2prep.sim.prescription import draw_head_position, draw_prescription, session_times_s
from fetalt2prep.sim.scan import Scan, spin_echo_scan, train_scan
from fetalt2prep.sim.scene import Scene, draw_scene, draw_subject
from fetalt2prep.sim.slice_table import slice_table
from fetalt2prep.sim.surroundings import Surroundings
from fetalt2prep.sim.trajectory import read_trajectories
from fetalt2prep.sim.truth import Truth, build_truth

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
OnStep = Callable[[str, int, int], None]
STREAMS = (
    *(
        "anatomy",
        "texture",
        "position",
        "prescription",
        "motion",
        "voids",
        "gains",
        "coil",
        "surroundings",
        "noise",
        "transmit",
    ),
)  # a new stream goes to the end: the others keep their draws


@dataclass(frozen=True, kw_only=True)
class Case:
    """A simulated session; ``stacks`` and ``plans`` in the order of acquisition."""

    options: CaseOptions
    seed: int
    plans: list[StackPlan]
    stacks: list[Stack]  # pixels in scanner units, masks of the moved brain
    truth: Truth
    slices: dict[str, NDArray[np.generic]]  # one row per slice: pose, transform, gain, void, brain pixels
    record: dict[str, object]  # JSON-ready: options, seed, and every draw that is not in the slice table


def simulate_case(options: CaseOptions, seed: int, on_step: OnStep | None = None) -> Case:
    """Simulate one session; the same options and seed give the same case, bit for bit.

    Every kind of draw has a random stream of its own: to switch the noise off leaves the motion as it was.
    ``on_step(what, step, n_steps)`` is told before each stack. Raises when the options make nothing that could be
    scanned, and names the option.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be 0 or more.")
    rng = {name: np.random.default_rng([seed, k]) for k, name in enumerate(STREAMS)}
    subject = draw_subject(options, rng["anatomy"])
    head_to_scanner = draw_head_position(rng["position"])
    scene = draw_scene(options, subject, head_to_scanner, rng)
    truth = build_truth(scene.labels, scene.m0, scene.t2_s, scene.affine, np.sort(options.te_s))
    plans = draw_prescription(rng["prescription"], options, subject, head_to_scanner)
    n_slices = sum(plan.shape[2] for plan in plans)
    poses, motion = _draw_poses(rng["motion"], plans, options, head_to_scanner[:3, 3])
    reach_mm = 0.7 * float(np.mean(subject.semi_axes_mm))
    effects = SliceEffects(
        poses.slice_transforms(),
        draw_voids(rng["voids"], n_slices, options.void_probability, reach_mm),
        draw_gains(rng["gains"], n_slices, options.gain_sd),
    )
    taken = _acquire(options, plans, scene, effects, truth.labels == Label.WHITE_MATTER, rng["noise"], on_step)
    return Case(
        options=options,
        seed=seed,
        plans=plans,
        stacks=taken.stacks,
        truth=replace(truth, echoes=taken.echoes),
        slices=slice_table(plans, poses, effects, [stack.mask for stack in taken.stacks]),
        record={
            "seed": seed,
            "options": asdict(options) | {"snr": options.snr if np.isfinite(options.snr) else "inf"},
            "head_to_scanner": head_to_scanner.tolist(),
            "noise_sd": taken.noise_sd,
            "anatomy": subject.record,
            "tissues": {tissue.name: asdict(tissue) | {"label": int(k)} for k, tissue in scene.tissues.items()},
            "motion": motion,
            "echoes": taken.scans,
            "coil": _jsonable(scene.coil),
            "transmit": _jsonable(scene.transmit),
            "surroundings": _jsonable(scene.surroundings),
        },
    )


def _draw_poses(
    rng: np.random.Generator, plans: list[StackPlan], options: CaseOptions, centre_mm: Doubles
) -> tuple[PoseTable, dict[str, object]]:
    """Pose of every slice, and where it comes from."""
    if options.motion_file is not None:
        tracks = read_trajectories(Path(options.motion_file), options.motion_step_s)
        times_s = session_times_s(plans, options)
        return draw_recorded_motion(
            rng, tracks, times_s, name=options.motion_track, scale=options.motion_scale, centre_mm=centre_mm
        )
    poses = draw_motion(
        rng,
        [plan.shape[2] for plan in plans],
        LEVELS[options.motion],
        scale=options.motion_scale,
        centre_mm=centre_mm,
        interleave=options.interleave,
    )
    return poses, {"level": options.motion}


@dataclass(frozen=True)
class _Taken:
    """What comes out of the scanner, and the truth of each echo time."""

    stacks: list[Stack]
    echoes: Floats  # (echo, x, y, z)
    noise_sd: float
    scans: list[dict[str, object]]


def _acquire(
    options: CaseOptions,
    plans: list[StackPlan],
    scene: Scene,
    effects: SliceEffects,
    white: NDArray[np.bool_],
    rng: np.random.Generator,
    on_step: OnStep | None,
) -> _Taken:
    """Acquire every stack; echo time by echo time, so that one signal is held at a time.

    The noise is that of the shortest echo time: the median signal of white matter (truth's grid) over the SNR.
    """
    if np.isfinite(options.snr) and not white.any():
        raise ValueError(
            f"snr is {options.snr:g}, stated for white matter, and the head has none. Say snr inf for no noise."
        )
    first_row = np.cumsum([0] + [plan.shape[2] for plan in plans])
    inside, brain = (scene.labels > 0).astype(np.float32), brain_mask(scene.labels).astype(np.float32)
    head = Head(inside, inside, brain, scene.affine)
    scans: list[dict[str, object]] = []
    echoes: list[Floats] = []
    stacks: dict[int, Stack] = {}
    noise_sd = 0.0
    for te_s in sorted({plan.te_s for plan in plans}):
        scan = _scan(options, scene, te_s, inside, effects)
        scans.append(scan.record)
        echoes.append(scan.echo)
        if len(echoes) == 1 and white.any():
            noise_sd = float(np.median(scan.echo[white])) / options.snr
        for k, plan in enumerate(plans):
            if plan.te_s == te_s:
                if on_step is not None:
                    on_step(plan.label, len(stacks), len(plans))
                pixels = scan.pixels(plan, int(first_row[k]))
                noise = draw_noise(rng, pixels.shape, noise_sd)
                stacks[k] = Stack(
                    name=plan.label,
                    pixels=add_rician(pixels, noise if plan.acquired is None else colour_noise(noise, plan.acquired)),
                    mask=acquire_mask(plan, head, effects, int(first_row[k])),
                    affine=plan.affine,
                    te_s=te_s,
                    thickness_mm=plan.thickness_mm,
                    slice_times_s=plan.slice_times_s,
                )
        del scan  # before the next is made: it holds the head's signal
    return _Taken([stacks[k] for k in range(len(plans))], np.stack(echoes), noise_sd, scans)


def _scan(options: CaseOptions, scene: Scene, te_s: float, inside: Floats, effects: SliceEffects) -> Scan:
    if options.echo_train is None:
        return spin_echo_scan(scene, te_s, inside, effects)
    return train_scan(scene, options.echo_train, te_s, options.acquired_mm or options.in_plane_mm, inside, effects)


def _jsonable(drawn: CoilField | Surroundings | None) -> dict[str, object] | None:
    """Fields of a drawn record with arrays as lists."""
    if drawn is None:
        return None
    return {name: np.asarray(value).tolist() for name, value in asdict(drawn).items()}

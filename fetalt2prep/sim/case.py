"""One simulated session: options in, stacks and truth out, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fetalt2prep.core.stack import Stack
from fetalt2prep.sim.acquisition import (
    Head,
    SliceEffects,
    StackPlan,
    acquire_mask,
    acquire_stack,
    plan_affine,
    plan_shape,
)
from fetalt2prep.sim.anatomy import Anatomy, draw_anatomy
from fetalt2prep.sim.artefacts import (
    CoilField,
    add_rician,
    draw_coil_field,
    draw_gains,
    draw_noise,
    draw_voids,
)
from fetalt2prep.sim.motion import LEVELS, draw_motion, slice_times_s
from fetalt2prep.sim.options import CaseOptions
from fetalt2prep.sim.phantom import HeadGrid, Label, brain_mask, head_labels
from fetalt2prep.sim.slice_table import slice_table
from fetalt2prep.sim.surroundings import Surroundings, draw_surroundings
from fetalt2prep.sim.tissue import Tissue, draw_texture, read_tissues, tissue_maps
from fetalt2prep.sim.truth import BINNING, Truth, build_truth, spin_echo

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
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
    ),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A simulated session; ``stacks`` and ``plans`` in the order of acquisition."""

    options: CaseOptions
    seed: int
    plans: list[StackPlan]
    stacks: list[Stack]  # pixels in scanner units, masks of the moved brain
    truth: Truth
    slices: dict[str, NDArray[np.generic]]  # one row per slice: pose, transform, gain, void, brain pixels
    record: dict[str, object]  # JSON-ready: options, seed, head_to_scanner, anatomy, coil, surroundings, noise


@dataclass(frozen=True)
class _Scene:
    """What is scanned: fine maps of the head at rest, what surrounds it, and the coil."""

    labels: NDArray[np.uint8]
    m0: Floats  # scanner units
    t2_s: Floats
    affine: Doubles  # of the maps: index -> world at rest
    tissues: dict[Label, Tissue]
    surroundings: Surroundings
    coil: CoilField


def simulate_case(options: CaseOptions, seed: int) -> Case:
    """Simulate one session; the same options and seed give the same case, bit for bit.

    Every kind of draw has a random stream of its own: to switch the noise off leaves the motion as it was.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be 0 or more.")
    rng = {name: np.random.default_rng([seed, k]) for k, name in enumerate(STREAMS)}
    anatomy = draw_anatomy(rng["anatomy"], options.gestational_age_weeks, options.brain_length_mm)
    head_to_scanner = draw_head_position(rng["position"])
    scene = _build_scene(options, anatomy, head_to_scanner, rng)
    truth = build_truth(scene.labels, scene.m0, scene.t2_s, scene.affine, np.sort(options.te_s))
    plans = draw_prescription(rng["prescription"], options, anatomy, head_to_scanner)
    n_slices = [plan.shape[2] for plan in plans]
    level, centre_mm = LEVELS[options.motion], head_to_scanner[:3, 3]
    poses = draw_motion(rng["motion"], n_slices, level, scale=options.motion_scale, centre_mm=centre_mm)
    reach_mm = 0.7 * float(np.mean(anatomy.semi_axes_mm))
    effects = SliceEffects(
        poses.slice_transforms(),
        draw_voids(rng["voids"], sum(n_slices), options.void_probability, reach_mm),
        draw_gains(rng["gains"], sum(n_slices), options.gain_sd),
    )
    white = truth.labels == Label.WHITE_MATTER
    noise_sd = float(np.median(truth.echoes[0][white])) / options.snr
    stacks = _acquire(plans, scene, effects, partial(draw_noise, rng["noise"], sd=noise_sd))
    return Case(
        options=options,
        seed=seed,
        plans=plans,
        stacks=stacks,
        truth=truth,
        slices=slice_table(plans, poses, effects, [stack.mask for stack in stacks]),
        record={
            "seed": seed,
            "options": asdict(options) | {"snr": options.snr if np.isfinite(options.snr) else "inf"},
            "head_to_scanner": head_to_scanner.tolist(),
            "noise_sd": noise_sd,
            "anatomy": anatomy.as_dict(),
            "coil": _jsonable(scene.coil),
            "surroundings": _jsonable(scene.surroundings),
        },
    )


def draw_head_position(rng: np.random.Generator) -> Doubles:
    """Head at rest, head frame -> scanner (4, 4): turned by about 12 deg per axis, up to 10 mm off."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(12.0 * rng.standard_normal(3), degrees=True).as_matrix()
    matrix[:3, 3] = rng.uniform(-10.0, 10.0, 3)
    return matrix


def draw_prescription(
    rng: np.random.Generator, options: CaseOptions, anatomy: Anatomy, head_to_scanner: Doubles
) -> list[StackPlan]:
    """Stack plans in the order of acquisition: every plane at all echo times before the next plane.

    The operator aligns each plane to the head to within about 3 deg and 2 mm, once for all its echo times.
    """
    semi = np.asarray(anatomy.semi_axes_mm)
    low, high = -semi * (1, 1, 1.12) - anatomy.csf_mm, semi + anatomy.csf_mm
    spacing = (options.in_plane_mm, options.in_plane_mm, options.spacing_mm)
    runs: Counter[str] = Counter()
    plans = []
    for plane in options.planes:
        runs[plane] += 1
        centre = head_to_scanner[:3, :3] @ ((low + high) / 2) + head_to_scanner[:3, 3] + rng.uniform(-2.0, 2.0, 3)
        shape = plan_shape(plane, high - low, (options.margin_mm, options.slice_margin_mm), spacing)
        affine = plan_affine(plane, head_to_scanner, 3.0 * rng.standard_normal(3), centre, spacing, shape)
        plans += [
            StackPlan(
                plane=plane,
                run=runs[plane],
                echo=echo,
                te_s=te_s,
                affine=affine,
                shape=shape,
                thickness_mm=options.thickness_mm,
                slice_times_s=slice_times_s(shape[2], options.repetition_time_s),
            )
            for echo, te_s in enumerate(sorted(options.te_s), 1)
        ]
    return plans


def _build_scene(
    options: CaseOptions, anatomy: Anatomy, head_to_scanner: Doubles, rng: dict[str, np.random.Generator]
) -> _Scene:
    grid = HeadGrid.around(anatomy, options.truth_mm / BINNING, BINNING)
    tissues = read_tissues(options.field_t)
    labels = head_labels(anatomy, grid)
    t2_s, m0 = tissue_maps(labels, grid, tissues, draw_texture(rng["texture"], grid))
    centre_mm, semi = head_to_scanner[:3, 3], np.asarray(anatomy.semi_axes_mm)
    return _Scene(
        labels,
        m0 * np.float32(options.units_per_m0),
        t2_s,
        head_to_scanner @ grid.affine,
        {k: replace(tissue, m0=tissue.m0 * options.units_per_m0) for k, tissue in tissues.items()},
        draw_surroundings(rng["surroundings"], centre_mm, 1.2 * semi + anatomy.csf_mm + 4.0),
        draw_coil_field(rng["coil"], options.coil_sd, centre_mm, float(semi.max())),
    )


def _acquire(
    plans: list[StackPlan],
    scene: _Scene,
    effects: SliceEffects,
    noise: Callable[[tuple[int, ...]], NDArray[np.complex64]],
) -> list[Stack]:
    """Acquire every stack; echo time by echo time, so that one signal volume is held at a time."""
    first_row = np.cumsum([0] + [plan.shape[2] for plan in plans])
    inside, brain = (scene.labels > 0).astype(np.float32), brain_mask(scene.labels).astype(np.float32)
    stacks: dict[int, Stack] = {}
    for te_s in sorted({plan.te_s for plan in plans}):
        head = Head(spin_echo(scene.m0, scene.t2_s, te_s), inside, brain, scene.affine)
        background = partial(scene.surroundings.signal, tissues=scene.tissues, te_s=te_s)
        for k, plan in enumerate(plans):
            if plan.te_s == te_s:
                row = int(first_row[k])
                pixels = acquire_stack(plan, head, effects, row, coil=scene.coil, background=background)
                stacks[k] = Stack(
                    name=plan.label,
                    pixels=add_rician(pixels, noise(pixels.shape)),
                    mask=acquire_mask(plan, head, effects, row),
                    affine=plan.affine,
                    te_s=te_s,
                    thickness_mm=plan.thickness_mm,
                    slice_times_s=plan.slice_times_s,
                )
    return [stacks[k] for k in range(len(plans))]


def _jsonable(drawn: CoilField | Surroundings) -> dict[str, object]:
    """Fields of a drawn record with arrays as lists."""
    return {name: np.asarray(value).tolist() for name, value in asdict(drawn).items()}

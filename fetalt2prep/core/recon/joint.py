"""Joint multi-TE slice-to-volume reconstruction, top to bottom.

Unknown are a field ``x -> log V(x, TE)`` of all echoes and, per slice j, a rigid pose T_j, a gain c_j and a weight w_j.
With the slice acquisition S_j (motion, point spread function, sampling) on a lattice, and the noise s of the pixels as
acquired,

    predicted_j = c_j b_j sqrt( (S_j exp log V)^2 + s^2 )
    minimise  sum_j w_j |predicted_j - measured_j|^2 / (2 sigma^2) + edges(V) + alpha |A log V|^2
              + |R2 - typical|^2 + b |log S0 - typical(x)|^2 + b edges(R2)    (weights: :mod:`.priors`)

with b = 1, or (``coil_field``) a smooth factor of a pixel's place in the scanner (:mod:`.coil`),
first with every stack as a whole moved to where it agrees best with the others (:mod:`.stack_search`), then in turns,
for poses of stacks, of interleave packages (:mod:`.sweeps`), of slices, lost ones looked for (:mod:`.lost_slices`):
some steps of Adam for the field on all pixels at once, then weights and gains in closed form and one
Gauss-Newton step for the poses, each slice against the prediction at its own echo time. Coarse lattices come first
(:mod:`fetalt2prep.core.recon.schedule`). After arXiv 2508.10680, with the lattice in place of sampled pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from fetalt2prep.core.field.build import GRID_LEVELS
from fetalt2prep.core.field.echo import EchoField, SeparateFields
from fetalt2prep.core.fit import Stop, fit
from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.recon.account import account, displaced, notes, penalty_weight
from fetalt2prep.core.recon.field_fit import FieldFit, Scene, magnitude
from fetalt2prep.core.recon.fields import build_field, field_spec, learning_rates
from fetalt2prep.core.recon.fitted import FittedField
from fetalt2prep.core.recon.lattice import Lattice
from fetalt2prep.core.recon.lost_slices import search_lost
from fetalt2prep.core.recon.motion_siren import MotionSiren
from fetalt2prep.core.recon.one_side import seen_from_one_side
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.output import collect
from fetalt2prep.core.recon.packages import with_found_packages
from fetalt2prep.core.recon.penalty import decay_projector
from fetalt2prep.core.recon.poses import PosePull, anchored, gauss_newton_step
from fetalt2prep.core.recon.response import Response
from fetalt2prep.core.recon.result import Recon
from fetalt2prep.core.recon.schedule import Level, levels
from fetalt2prep.core.recon.slices import Slices, flatten
from fetalt2prep.core.recon.stack_search import search_stacks
from fetalt2prep.core.recon.trust import Trust, first_trust, weigh
from fetalt2prep.core.slice_op import lattice_blur_voxels
from fetalt2prep.core.stack import Stack

OnStep = Callable[[str, int, int, float], None]
MARGIN_MM = 5.0  # the grid reaches this far beyond the outermost pixel: half a slice's profile


def reconstruct(
    stacks: Sequence[Stack],
    options: ReconOptions,
    on_step: OnStep | None = None,
    *,
    poses: Rigid | None = None,
    points_at_once: int | None = None,
) -> Recon:
    """Reconstruct every echo of a session on one grid, with the pose, gain and weight of every slice.

    Parameters
    ----------
    stacks
        All stacks of one session, any number of echo times, in scanner space, on one intensity scale.
    options
        Model, field, resolution, penalty, seed and device.
    on_step
        ``on_step(stage, step, n_steps, loss)`` after every round, for progress.
    poses
        Of every slice of every stack, in order, taken as known: nothing is registered. To tell what of an error is
        due to the poses; None: they are estimated.
    points_at_once
        Lattice points that the field's network sees at once, to save memory (:mod:`.resources`); None: all.

    Raises
    ------
    ValueError
        No stack, no pixel inside any mask, or pixels that are not numbers.

    Echo times at which every mask is empty are left out.
    """
    stacks = _usable(stacks)
    slices = flatten(stacks, options.device, options.profile)
    began = time.perf_counter()
    known = poses is not None
    poses, turned_deg = (poses, {}) if poses is not None else search_stacks(slices)
    seconds = {"search stacks": round(time.perf_counter() - began, 2)}
    trust = first_trust(slices, options)
    projector = decay_projector(slices.te_s)
    alpha = penalty_weight(options, slices)
    losses: dict[str, list[float]] = {}
    stop = Stop.MAX_STEPS
    field: EchoField | SeparateFields | None = None
    motion: MotionSiren | None = None
    method: FieldFit | None = None
    packages_told: str | None = None
    for level in levels(options.resolution_mm, one_side=seen_from_one_side(slices, poses)):  # coarse to fine
        if level.move == "package":
            if not known and method is not None:
                slices, packages_told = _find_packages(slices, method, poses, trust)
            if known or torch.equal(slices.package_of, slices.stack_of):
                continue  # every stack is one package, and was aligned as one
        level = replace(level, move="none") if known else level
        began = time.perf_counter()
        if level.move == "slice":
            placed = search_lost(slices, poses)
            poses, trust = placed.poses, trust.after_search(placed, slices)
        grid = _grid(level, slices, poses)
        if field is None:
            field = build_field(options, slices, grid)
            field.points_at_once = points_at_once
        else:
            field.refine(grid)
        method = FieldFit(
            field,
            *learning_rates(options, field),
            total_steps=level.rounds * level.steps + level.last_steps,
            projector=projector,
            # while stacks still move against each other, echoes disagree because of motion and not of physics
            alpha=0.0 if level.move in ("stack", "package") else alpha,
            joint=options.model != "sc",
            te_s=slices.te_s,
        )
        if options.motion == "siren" and level.move == "slice" and motion is None:
            motion = MotionSiren(poses, options.seed)
        poses, trust, history, stop = _run_level(level, slices, grid, method, poses, trust, motion, on_step)
        losses[level.name] = history
        seconds[level.name] = round(time.perf_counter() - began, 2)
        if stop is Stop.NON_FINITE:
            break
    if field is None or method is None or method.scene is None:
        raise RuntimeError("The schedule holds no level.")
    recon = collect(method.field, method.scene, slices, stacks, poses, trust)
    info = account(options, slices, method, trust.sigma, recon)
    info |= {"stop": stop.name, "advice": stop.value, "losses": losses, "seconds": seconds}
    info["notes"] = [*displaced(slices, turned_deg, trust), *notes(options, slices, packages_told)]
    return replace(recon, info=info, field=_fitted(options, slices, method, recon))


def _fitted(options: ReconOptions, slices: Slices, method: FieldFit, recon: Recon) -> FittedField:
    """The field with all that is needed to ask it again."""
    return FittedField(
        spec=field_spec(options, slices, method.field.grid),
        field=method.field,
        scale=slices.scale,
        mask=recon.mask,
        echo_stderr=recon.echo_stderr,
        affine=recon.affine,
    )


def _usable(stacks: Sequence[Stack]) -> list[Stack]:
    """The stacks at echo times of which some pixel is known; refuses what cannot be reconstructed."""
    if not any(stack.mask.any() for stack in stacks):
        raise ValueError(f"None of {len(stacks)} stacks has a pixel inside its mask: there is nothing to reconstruct.")
    seen_te_s = {stack.te_s for stack in stacks if stack.mask.any()}
    usable = [stack for stack in stacks if stack.te_s in seen_te_s]
    for stack in usable:
        if not np.isfinite(stack.pixels[stack.mask]).all():
            raise ValueError(f"{stack.name}: NaN or infinite pixels inside the mask; set the stack aside or mend it.")
    return usable


def _grid(level: Level, slices: Slices, poses: Rigid) -> Grid:
    """Lattice of a level around all pixels."""
    points = poses.move(slices.points_mm, slices.slice_idx)
    return Grid.around(points, level.spacing_mm, MARGIN_MM + level.spacing_mm, 2 ** (GRID_LEVELS - 1))


def _run_level(
    level: Level,
    slices: Slices,
    grid: Grid,
    method: FieldFit,
    poses: Rigid,
    trust: Trust,
    motion: MotionSiren | None,
    on_step: OnStep | None,
) -> tuple[Rigid, Trust, list[float], Stop]:
    """Rounds of field steps, weights and gains, and registration, on one lattice; then the last field steps."""
    losses: list[float] = []
    for number in range(level.rounds + 1):
        last = number == level.rounds
        method.scene = None  # before the next is made: each holds the slices' matrix and its transpose
        method.scene = _scene(slices, grid, poses, trust)
        n_steps = level.last_steps if last else level.steps
        if n_steps:
            result = fit(method, n_steps, check_every=n_steps)
            if result.stop is Stop.NON_FINITE:
                method.field = result.state
                return poses, trust, losses, result.stop
            losses.extend(result.losses)
            if on_step is not None:
                on_step(level.name, number + 1, level.rounds + (level.last_steps > 0), losses[-1])
        with torch.no_grad():
            if not last:
                trust = weigh(slices, method, poses, trust)
                if level.move != "none":
                    poses = _register(level, slices, method, poses, trust)
                if motion is not None:
                    poses = motion.follow(poses, slices.sum_per_slice(trust.weight))
    return poses, trust, losses, Stop.MAX_STEPS


def _scene(slices: Slices, grid: Grid, poses: Rigid, trust: Trust) -> Scene:
    """Slice acquisition, lattice and weights at the present poses."""
    operator = slices.operator(grid, poses)
    blur_voxels = lattice_blur_voxels(slices.blur_sigma_mm, grid.spacing_mm)
    lattice = Lattice.seen_by(operator, len(slices.values), blur_voxels)
    return Scene(
        values=slices.values,
        operator=operator,
        response=Response(operator, lattice.index, blur_voxels),
        lattice=lattice,
        blur_voxels=blur_voxels,
        unit_mm=slices.unit_mm,
        gain=trust.pixel_gain(slices),
        weight=trust.weight,
        sigma=trust.sigma,
        floor=slices.noise_floor,
        typical=None if trust.typical is None else trust.typical.at(lattice.points_mm()),
    )


def _register(level: Level, slices: Slices, method: FieldFit, poses: Rigid, trust: Trust) -> Rigid:
    """One Gauss-Newton step of the poses against the field's prediction."""
    groups = {"stack": slices.stack_of, "package": slices.package_of, "slice": torch.arange(slices.n_slices)}
    pull = _pull(slices, method, poses, trust)
    poses = gauss_newton_step(pull, groups[level.move].to(slices.values.device), linked=level.move == "slice")
    return anchored(slices, poses) if level.move in ("stack", "package") else poses


def _find_packages(slices: Slices, method: FieldFit, poses: Rigid, trust: Trust) -> tuple[Slices, str | None]:
    """Packages of stacks without slice times, from the field that aligned stacks gave; and a sentence that says so."""
    with torch.no_grad():
        return with_found_packages(_pull(slices, method, poses, trust))


def _pull(slices: Slices, method: FieldFit, poses: Rigid, trust: Trust) -> PosePull:
    """How each pixel's prediction changes with its slice's pose, its residual and its weight."""
    scene = method.scene
    assert scene is not None
    gain = trust.pixel_gain(slices)
    volumes = scene.volumes(method.field.on_lattice(scene.lattice.index))
    signal = scene.operator.forward(volumes)
    predicted = magnitude(signal, scene.floor)
    slope = gain * signal / predicted.clamp(min=1e-6)  # of the noise floor's square root
    jacobian = scene.operator.pose_jacobian(volumes) * slope[:, None]
    residual, weights = gain * predicted - slices.values, trust.weight / trust.sigma**2
    return PosePull(slices=slices, poses=poses, jacobian=jacobian, residual=residual, weights=weights)

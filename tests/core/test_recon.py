"""The joint reconstruction end to end, on a head that is known in closed form."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import best_rigid, rotation_matrix
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.result import Recon
from fetalt2prep.core.recon.schedule import levels
from fetalt2prep.core.recon.slices import flatten, session_scale
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear

TE_S = (0.08, 0.14, 0.26)
STAGES = [level for level in levels(2.5) if level.move != "package"]  # the phantom's stacks are one package each


@pytest.fixture(scope="module")
def stacks(phantom):
    return phantom.session(TE_S)


@pytest.fixture(scope="module")
def base(stacks, options) -> Recon:
    return reconstruct(stacks, options())


@pytest.fixture(scope="module")
def small(phantom):
    """Two planes at two echo times: for what needs no more."""
    return phantom.session((0.08, 0.2), ("axial", "coronal"))


@pytest.fixture(scope="module")
def small_decay(small, options) -> Recon:
    return reconstruct(small, options(seed=0))


def points_of(recon: Recon) -> np.ndarray:
    """World position of the mask's points, (n, 3)."""
    return np.argwhere(recon.mask) @ recon.affine[:3, :3].T + recon.affine[:3, 3]


def t2_of(recon: Recon, where: np.ndarray | None = None) -> np.ndarray:
    fit = fit_weighted_loglinear(torch.as_tensor(recon.echoes), torch.as_tensor(recon.te_s))
    return fit.t2_s.numpy()[recon.mask if where is None else where]


def core_of(phantom, recon: Recon) -> np.ndarray:
    """Which of the mask's points lie well inside the head."""
    return (((points_of(recon) - phantom.centre_mm) / (0.8 * phantom.semi_axes_mm)) ** 2).sum(-1) < 1


def signal_error(phantom, recon: Recon) -> np.ndarray:
    """NRMSE of every echo well inside the head, (echo,)."""
    core = core_of(phantom, recon)
    true = np.stack([phantom.signal(points_of(recon)[core], te) for te in recon.te_s])
    found = recon.echoes[:, recon.mask][:, core]
    return np.sqrt(((found - true) ** 2).mean(1) / (true**2).mean(1))


def check_shapes(recon: Recon, n_echoes: int, n_slices: int) -> None:
    shape = recon.mask.shape
    assert recon.mask.any()
    assert recon.echoes.shape == recon.echo_stderr.shape == (n_echoes, *shape)
    assert recon.residual.shape == shape
    assert recon.te_s.shape == (n_echoes,)
    assert np.isfinite(recon.echoes).all()
    assert (recon.echoes[:, recon.mask] > 0).all()
    assert (recon.echoes[:, ~recon.mask] == 0).all()
    assert np.isfinite(recon.echo_stderr[:, recon.mask]).all()
    assert np.isnan(recon.echo_stderr[:, ~recon.mask]).all()
    assert np.isfinite(recon.residual[recon.mask]).all()
    assert all(len(column) == n_slices for column in recon.slices.values())
    json.dumps(recon.info, allow_nan=False)


def test_shapes_units_and_account(base, stacks):
    check_shapes(base, 3, sum(stack.n_slices for stack in stacks))
    assert base.te_s.tolist() == list(TE_S)
    assert base.info["stop"] == "MAX_STEPS"
    assert base.info["notes"] == []
    assert base.info["alpha"] is None
    assert 3.0 < base.info["noise_sigma"] < 12.0  # 6 were put in
    assert list(base.info["seconds"]) == ["search stacks", *(level.name for level in STAGES)]
    np.testing.assert_allclose(base.affine[:3, :3], 2.5 * np.eye(3))


def test_echoes_and_t2_are_those_of_the_head(phantom, base):
    core = core_of(phantom, base)
    true, found = phantom.t2_s(points_of(base), TE_S)[core], t2_of(base)[core]
    assert np.isfinite(found).all()
    assert signal_error(phantom, base).max() < 0.06
    assert np.median(np.abs(found - true)) < 0.005
    # worth: it tells the fluid from the tissue, a single T2 does not
    assert np.abs(found - true).mean() < 0.5 * np.abs(np.median(true) - true).mean()


def test_the_head_is_where_it_was(phantom, base):
    """Centre of mass of the first echo, mm, against the same points of the true head; and of the mask."""
    points, weight = points_of(base), base.echoes[0][base.mask][:, None]
    true = phantom.signal(points, TE_S[0])[:, None]
    np.testing.assert_allclose((weight * points).sum(0) / weight.sum(), (true * points).sum(0) / true.sum(), atol=0.5)
    np.testing.assert_allclose(points.mean(0), phantom.centre_mm, atol=1.0)


def test_the_mask_holds_the_whole_head_and_a_rim(phantom, base):
    at = np.argwhere(np.ones_like(base.mask)) @ base.affine[:3, :3].T + base.affine[:3, 3]
    from_middle = np.linalg.norm((at - phantom.centre_mm) / phantom.semi_axes_mm, axis=1)
    assert base.mask.ravel()[from_middle < 1.0].mean() > 0.99  # 0.966 without the rim
    reach = 1.0 + 2.5 * 2.5 / phantom.semi_axes_mm.min()
    assert not base.mask.ravel()[from_middle > reach].any()


def test_the_same_seed_gives_the_same_arrays_and_the_global_state_is_left_alone(small, small_decay, options):
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, same = small_decay, reconstruct(small, options(seed=0))
    for name in ("echoes", "echo_stderr", "residual", "mask", "affine"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    for name, column in one.slices.items():
        np.testing.assert_array_equal(column, same.slices[name])
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(("factor", "worst"), [(64.0, 1e-4), (37.0, None)])
def test_another_scale_of_the_scanner_scales_the_echoes_and_leaves_t2(small, small_decay, options, factor, worst):
    """A power of two changes no digit; any other factor changes the last ones, which hundreds of steps amplify."""
    one = small_decay
    other = reconstruct([replace(stack, pixels=np.float32(factor) * stack.pixels) for stack in small], options())
    both = one.mask & other.mask
    assert (one.mask ^ other.mask).mean() < 0.015  # poses of the last digit decide about a few points of the border
    pairs = {
        name: (getattr(one, name)[..., both], getattr(other, name)[..., both] / factor)
        for name in ("echoes", "residual")
    }
    # the standard error is the spread of the residual (below) times what the slices see of a point
    pairs["echo_stderr"] = (
        one.echo_stderr[..., both] / one.info["noise_sigma"],
        other.echo_stderr[..., both] / other.info["noise_sigma"],
    )
    pairs["t2"] = (t2_of(one, both), t2_of(other, both))
    pairs["gain"] = (one.slices["gain"], other.slices["gain"])
    for name, (ours, theirs) in pairs.items():
        change = np.abs(theirs / ours - 1)
        if worst is None:
            assert np.median(change) < (0.01 if name in ("echoes", "t2", "gain") else 0.04), name
        else:
            assert change.max() < worst, name
    assert other.info["noise_sigma"] == pytest.approx(factor * one.info["noise_sigma"], rel=worst or 0.08)


@pytest.mark.parametrize(
    ("model", "kind", "worst"),
    [
        ("mcreg", "grid", 0.06),
        ("mc", "grid", 0.06),
        ("sc", "grid", 0.08),
        ("bridge", "grid", 0.06),
        ("decay", "hash", 0.08),
    ],
)
def test_every_model_reconstructs(phantom, stacks, options, model, kind, worst):
    steps = []
    recon = reconstruct(
        stacks, options(model=model, field=kind), on_step=lambda stage, step, n, loss: steps.append((stage, step, n))
    )
    check_shapes(recon, 3, sum(stack.n_slices for stack in stacks))
    assert signal_error(phantom, recon).max() < worst
    assert recon.info["alpha"] == ({"mcreg": pytest.approx(0.3), "bridge": pytest.approx(10.0)}.get(model))
    misfit = recon.info["echo_misfit"]
    assert [row["te_s"] for row in misfit] == pytest.approx(list(TE_S), abs=1e-4)
    assert all(abs(row["mean_percent"]) < 2.0 and 0.1 < row["rms_percent"] < 8.0 for row in misfit)
    assert all((row["departure_percent"] < 0.01) == (model == "decay") for row in misfit)
    assert list(dict.fromkeys(stage for stage, _, _ in steps)) == [level.name for level in STAGES]
    assert all(1 <= step <= n for _, step, n in steps)


def test_siren_reconstructs(phantom, small, options):
    recon = reconstruct(small, options(field="siren-compact"))
    check_shapes(recon, 2, sum(stack.n_slices for stack in small))
    assert signal_error(phantom, recon).max() < 0.15


def test_siren_of_the_published_size_reconstructs(phantom, small, options):
    recon = reconstruct(small, options(field="siren", resolution_mm=4.0))
    check_shapes(recon, 2, sum(stack.n_slices for stack in small))
    assert signal_error(phantom, recon).max() < 0.25
    assert recon.field is not None
    assert sum(p.numel() for p in recon.field.field.encoding_parameters()) == 3 * 330 + 330 + 6 * (330**2 + 330)


def test_a_loss_that_is_no_number_stops_and_gives_the_last_good_volumes(phantom, stacks, base, options, monkeypatch):
    """The loss breaks within the last level: what was fitted until then is there, with the reason."""
    from fetalt2prep.core.recon.field_fit import FieldFit

    real, calls = FieldFit.loss, []

    def loss(self: FieldFit, state: object) -> torch.Tensor:
        calls.append(1)
        broken = len(calls) > n_steps - 60  # the last 50 steps are the last call of the loop
        return real(self, state) * (torch.nan if broken else 1.0)  # type: ignore[arg-type]

    n_steps = sum(level.rounds * level.steps + level.last_steps for level in STAGES)
    monkeypatch.setattr(FieldFit, "loss", loss)
    recon = reconstruct(stacks, options())
    assert len(calls) < n_steps
    assert recon.info["stop"] == "NON_FINITE"
    assert "last good state" in recon.info["advice"]
    check_shapes(recon, 3, sum(stack.n_slices for stack in stacks))
    assert signal_error(phantom, recon).max() < 0.15
    assert recon.field is not None
    assert all(bool(torch.isfinite(p).all()) for p in recon.field.field.parameters())


def test_large_motion_of_the_stacks_is_found(phantom, options):
    """Stacks up to 10 degrees and 5 mm apart: after the reconstruction they agree on one head, wherever it is."""
    size = 3.5
    stacks = phantom.session(TE_S, motion=size)
    recon = reconstruct(stacks, options())
    slices = flatten(stacks)
    matrix = torch.tensor(
        np.stack([recon.slices[f"m{row}{column}"] for row in range(3) for column in range(4)], -1)
    ).reshape(-1, 3, 4)[slices.slice_idx]
    found = (matrix[:, :, :3] @ slices.points_mm[..., None])[..., 0] + matrix[..., 3]
    centre = torch.as_tensor(phantom.centre_mm)
    turns, shifts = (torch.tensor(np.stack(part)) for part in zip(*phantom.motions(len(stacks), size), strict=True))
    stack = slices.stack_of[slices.slice_idx]
    true = (rotation_matrix(turns)[stack] @ (slices.points_mm - centre)[..., None])[..., 0] + centre + shifts[stack]

    def apart_mm(points: torch.Tensor) -> float:
        rotation, shift = best_rigid(points.double(), true)
        return float((points.double() @ rotation.T + shift - true).norm(dim=-1).mean())

    before, after = apart_mm(slices.points_mm), apart_mm(found)
    assert before > 1.5
    assert after < 0.9
    assert after < 0.4 * before


def test_one_echo_time(phantom, options):
    stacks = phantom.session((0.1,))
    recon = reconstruct(stacks, options())
    check_shapes(recon, 1, 27)
    assert signal_error(phantom, recon).max() < 0.06
    assert any("One echo time" in note for note in recon.info["notes"])


def test_two_echo_times_say_that_the_penalty_is_zero(phantom, small, options):
    recon = reconstruct(small, options(model="mcreg"))
    check_shapes(recon, 2, 36)
    assert any("Two echo times" in note for note in recon.info["notes"])
    assert signal_error(phantom, recon).max() < 0.08


def test_four_echo_times_of_one_stack_each(phantom, options):
    te_s = (0.3, 0.08, 0.2, 0.14)
    stacks = [phantom.session((te,), (plane,))[0] for te, plane in zip(te_s, ("axial", "coronal") * 2, strict=True)]
    recon = reconstruct(stacks, options())
    check_shapes(recon, 4, 36)
    assert recon.te_s.tolist() == sorted(te_s)
    assert signal_error(phantom, recon).max() < 0.10
    assert recon.slices["te_s"][0] == 0.3  # as it was given, not in single precision


def test_a_void_slice_is_set_aside_and_says_why(phantom, stacks, base, options):
    pixels = stacks[1].pixels.copy()
    pixels[:, :, 4] *= 0.05
    recon = reconstruct([replace(s, pixels=pixels) if n == 1 else s for n, s in enumerate(stacks)], options())
    table = recon.slices
    void = (table["stack"] == stacks[1].name) & (table["slice"] == 4)
    full = table["n_pixels"] > 40
    assert table["weight"][void][0] < 0.1
    assert table["status"][void][0] == "set-aside"
    assert table["reason"][void][0].startswith("signal void in")
    assert "times the median" in table["reason"][void][0]
    assert (table["reason"][full & ~void] == "").all()
    assert base.slices["weight"][void][0] > 0.5
    assert np.median(table["weight"][full & ~void]) > 0.9
    assert (table["status"][full & ~void] == "used").all()
    assert np.abs(np.median(table["gain"][full & ~void]) - 1) < 0.03
    # worth: setting it aside keeps the echo as it was
    inside = core_of(phantom, recon)
    true = phantom.signal(points_of(recon)[inside], TE_S[0])
    found = recon.echoes[0][recon.mask][inside]
    assert np.abs(found / true - 1).mean() < 0.06


def test_slice_table_tells_every_slice(base, stacks):
    table = base.slices
    names = [stack.name for stack in stacks for _ in range(stack.n_slices)]
    assert table["stack"].tolist() == names
    assert table["slice"].tolist() == [n for stack in stacks for n in range(stack.n_slices)]
    n_pixels = np.concatenate([stack.mask.sum((0, 1)) for stack in stacks])
    np.testing.assert_array_equal(table["n_pixels"], n_pixels)
    empty = n_pixels == 0
    assert (table["status"][empty] == "empty").all()
    assert (table["weight"][empty] == 0).all()
    assert (table["reason"][empty] == "no pixel in the mask").all()
    assert (table["status"][n_pixels > 40] == "used").all()
    assert np.nanmedian(table["ncc"]) > 0.9
    for column in [f"m{row}{column}" for row in range(3) for column in range(4)] + ["gain"]:
        assert np.isfinite(table[column]).all()


def test_empty_masks_are_refused(small, options):
    empty = [replace(stack, mask=np.zeros_like(stack.mask)) for stack in small]
    with pytest.raises(ValueError, match="nothing to reconstruct"):
        reconstruct(empty, options())
    with pytest.raises(ValueError, match="nothing to reconstruct"):
        reconstruct([], options())


def test_one_stack_with_an_empty_mask_does_no_harm(phantom, stacks, options):
    some = [replace(stack, mask=np.zeros_like(stack.mask)) if n == 4 else stack for n, stack in enumerate(stacks)]
    recon = reconstruct(some, options())
    check_shapes(recon, 3, sum(stack.n_slices for stack in stacks))
    assert signal_error(phantom, recon).max() < 0.06
    mine = recon.slices["stack"] == stacks[4].name
    assert (recon.slices["status"][mine] == "empty").all()
    assert all(np.isfinite(recon.slices[f"m{row}{column}"]).all() for row in range(3) for column in range(4))


def test_an_echo_time_without_a_pixel_is_refused_or_left_out(small, options):
    some = [replace(s, mask=np.zeros_like(s.mask)) if s.te_s == 0.2 else s for s in small]
    try:
        recon = reconstruct(some, options())
    except ValueError as error:
        assert "0.2" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(recon.echoes).all()
        assert recon.te_s.tolist() == [0.08]


def test_pixels_that_are_not_numbers_never_come_out_as_signal(small, options):
    pixels = small[0].pixels.copy()
    pixels[9, 9, 4] = np.nan
    try:
        recon = reconstruct([replace(small[0], pixels=pixels), *small[1:]], options())
    except ValueError as error:
        assert small[0].name in str(error)  # noqa: PT017
    else:
        assert np.isfinite(recon.echoes).all()


def test_one_scale_for_the_whole_session(stacks):
    scale = session_scale(stacks)
    values = np.concatenate([stack.pixels[stack.mask] for stack in stacks])
    assert np.mean(values <= scale) == pytest.approx(0.99, abs=0.002)
    slices = flatten(stacks[::-1])
    assert slices.scale == pytest.approx(scale)
    first = slices.values[slices.stack_of[slices.slice_idx] == 0]
    np.testing.assert_allclose(first.numpy() * scale, stacks[-1].pixels[stacks[-1].mask], rtol=1e-5)
    assert slices.echo_of[0] == 2  # ascending echo time, whatever the order of the stacks


@pytest.mark.parametrize("resolution_mm", [0.5, 0.8, 1.0, 1.6, 2.5])
def test_lattices_refine_one_another_by_doublings(resolution_mm):
    spacings = [level.spacing_mm for level in levels(resolution_mm)]
    assert spacings[-1] == resolution_mm
    assert all(np.log2(a / b) == round(np.log2(a / b)) for a, b in itertools.pairwise(spacings))
    assert 1.1 < spacings[-2] < 2.3 or resolution_mm > 2.3


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"model": "best"}, "sc, mc, mcreg, bridge, decay"),
        ({"motion": "still"}, "free, siren"),
        ({"coil_field": "maybe"}, "on, off"),
        ({"field": "tensor"}, "grid, hash, siren, siren-compact"),
        ({"resolution_mm": 0.1}, "0.3 to 4.0"),
        ({"alpha": -1.0}, "negative"),
    ],
)
def test_options_say_what_they_take(wrong, told):
    with pytest.raises(ValueError, match=told):
        ReconOptions(**wrong)


def test_noise_floor_is_that_of_the_pixels_as_acquired(stacks):
    """A denoised stack says how noisy it was; without a word, its own pixels are asked."""
    quiet = [replace(s, noise_sigma=25.0) for s in stacks]
    assert flatten(quiet).noise_sigma * flatten(quiet).scale == pytest.approx(25.0)
    own = flatten(stacks)
    assert 4.0 < own.noise_sigma * own.scale < 9.0  # 6 were put in


def test_a_denoiser_that_took_the_floor_off_leaves_the_noise(stacks):
    flat = flatten([replace(s, noise_sigma=25.0, noise_floor=0.0) for s in stacks])
    assert flat.noise_sigma * flat.scale == pytest.approx(25.0)
    assert 0 < flat.noise_floor < 1e-3 * flat.noise_sigma
    assert flatten([replace(s, noise_sigma=25.0) for s in stacks]).noise_floor == flat.noise_sigma

"""Voxels side by side: what estimators are given, what they give back, and how that becomes a :class:`T2Fit`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from fetalt2prep.core.t2.fit import T2Fit, T2Reason

BATCH = 1 << 17
"""Echoes of one batch: temporaries that stay in the cache."""
SAME_TE_S = 1e-6
NOISE_FLOOR = 2.0
"""Magnitude noise alone exceeds this many standard deviations in one voxel of seven (Rayleigh: 13.5 %)."""


@dataclass(frozen=True, kw_only=True)
class Voxels:
    """Voxels that can be fitted, (echo, voxel), float64, each divided by ``scale`` so that its largest echo is 1."""

    signal: Tensor
    """0 where the echo is not used; an echo that is used may be 0 or below as well."""
    te_s: Tensor
    """(echo, 1)."""
    used: Tensor
    variance: Tensor
    """Of the echoes; 1 throughout where the noise is not known."""
    noise_known: bool
    scale: Tensor
    """(voxel,) in the units of the echoes."""
    place: Tensor
    """(voxel,) where each one is among all voxels."""

    @property
    def weight(self) -> Tensor:
        """Inverse variance, 0 where the echo is not used."""
        return torch.where(self.used & (self.variance > 0), 1.0 / self.variance, 0.0)


@dataclass(frozen=True, kw_only=True)
class Decay:
    """Estimate of ``log S = level - r2 (TE - centre)``, all (voxel,), signals scaled as in :class:`Voxels`."""

    level: Tensor
    r2: Tensor
    centre_s: Tensor
    """Any echo time to which ``level`` belongs."""
    var_level: Tensor
    var_r2: Tensor
    cov: Tensor
    """Covariance of ``level`` and ``r2``; the three are true variances, whether the noise was known or not."""
    predicted: Tensor
    """(echo, voxel)."""
    rising: Tensor
    at_bound: Tensor
    converged: Tensor
    b1: Tensor | None = None


def fit_voxels(
    estimate: Callable[[Voxels], Decay],
    echoes: Tensor,
    te_s: Tensor,
    *,
    stderr: Tensor | None,
    floor: Tensor | float,
    noise: Tensor | float | None = None,
    lowest: float | None = None,
) -> T2Fit:
    """Sort voxels, hand those that can be fitted to ``estimate`` in batches, and put the results in their places.

    echoes: (echo, *grid); te_s: (echo,); stderr like ``echoes`` or None; floor and noise broadcast to ``echoes``.
    An echo that is not finite, or not above ``floor``, is not used. ``lowest``: where the floor is 0, echoes down to
    this value are used as well, for they are data too unless a logarithm is taken. With ``noise``, a voxel needs two
    echoes above ``NOISE_FLOOR`` times it.

    Raises
    ------
    ValueError
        Echo times that are not positive, too few, or not as many as echoes.
    """
    te = checked_times(te_s, echoes).reshape(-1, 1)
    grid, device = echoes.shape[1:], echoes.device
    flat = echoes.reshape(len(te), -1)
    level = torch.as_tensor(floor, dtype=torch.float64, device=device).expand_as(echoes).reshape(flat.shape)
    error = None if stderr is None else stderr.expand_as(echoes).reshape(flat.shape)
    sigma = noise if noise is not None else stderr
    known = None if sigma is None else torch.as_tensor(sigma, device=device).expand_as(echoes).reshape(flat.shape)
    results = _empty(flat.shape[1], device)
    batch = max(BATCH // len(te), 1)
    for start in range(0, flat.shape[1], batch):  # in batches: memory, and temporaries that stay in the cache
        part = slice(start, start + batch)
        signal = flat[:, part].to(torch.float64)
        if error is not None:  # an echo of unknown error is as good as not measured
            signal = torch.where(torch.isfinite(error[:, part]) & (error[:, part] > 0), signal, torch.nan)
        used = torch.isfinite(signal) & (signal > level[:, part]) & (signal > 0)
        positive = used
        if lowest is not None:
            used = used | (torch.isfinite(signal) & (signal >= lowest) & (level[:, part] <= 0))
        above = positive if known is None else positive & (signal > NOISE_FLOOR * known[:, part])
        cause = _cause(signal, positive, above if noise is not None else positive, te)
        results["n_echoes"][part] = above.sum(0).to(torch.uint8)
        results["reason"][part] = cause
        kept = torch.nonzero(cause == T2Reason.OK)[:, 0]
        if not len(kept):
            continue
        voxels = _voxels(signal[:, kept], used[:, kept], te, error, kept + start)
        for name, value in _physical(estimate(voxels), voxels).items():
            if name not in results:  # a map that only some estimators give
                results[name] = torch.full((flat.shape[1],), torch.nan, device=device)
            results[name][voxels.place] = value.to(results[name].dtype)
    results["ok"] = results["reason"] == T2Reason.OK
    known_names = {field.name for field in fields(T2Fit)}
    return T2Fit(**{name: value.reshape(grid) for name, value in results.items() if name in known_names})


def checked_times(te_s: Tensor, echoes: Tensor) -> Tensor:
    """Echo times (echo,), float64 on the device of ``echoes``, when T2 can be known from them."""
    te = te_s.to(torch.float64).to(echoes.device)
    if te.ndim != 1 or len(te) != len(echoes):
        raise ValueError(f"{tuple(te.shape)} echo times for {len(echoes)} echoes; one time per echo is needed.")
    if not bool((torch.isfinite(te) & (te >= 0)).all()):
        raise ValueError(f"echo times must be seconds, 0 or more; given: {te_s.tolist()}.")
    if len(te) < 2 or not bool(te.max() - te.min() > SAME_TE_S):
        raise ValueError(f"T2 needs two distinct echo times or more; given: {te_s.tolist()} s.")
    return te


def _empty(n_voxels: int, device: torch.device) -> dict[str, Tensor]:
    names = ("t2_s", "s0", "t2_stderr_s", "s0_stderr", "covariance", "rmse", "r_squared")
    empty = {name: torch.full((n_voxels,), torch.nan, device=device) for name in names}
    codes = {name: torch.zeros(n_voxels, dtype=torch.uint8, device=device) for name in ("n_echoes", "reason")}
    return empty | codes | {"converged": torch.ones(n_voxels, dtype=torch.bool, device=device)}


def _cause(signal: Tensor, used: Tensor, above: Tensor, te: Tensor) -> Tensor:
    """Reason for which a voxel is not even tried, (echo, voxel) -> (voxel,); the first that holds wins."""
    finite = torch.isfinite(signal)
    cause = torch.zeros(signal.shape[1], dtype=torch.uint8, device=signal.device)
    for code, holds in (
        (T2Reason.OUTSIDE, ~(finite & (signal != 0)).any(0)),
        (T2Reason.TOO_FEW_ECHOES, ~_two_times(finite, te)),
        (T2Reason.NON_POSITIVE, ~_two_times(finite & (signal > 0), te)),
        (T2Reason.BELOW_NOISE, ~(_two_times(used, te) & _two_times(above, te))),
    ):
        cause[holds & (cause == T2Reason.OK)] = int(code)
    return cause


def _two_times(which: Tensor, te: Tensor) -> Tensor:
    latest = torch.where(which, te, -torch.inf).amax(0)
    return latest - torch.where(which, te, torch.inf).amin(0) > SAME_TE_S


def _voxels(signal: Tensor, used: Tensor, te: Tensor, error: Tensor | None, place: Tensor) -> Voxels:
    kept = torch.where(used, signal, 0.0)
    scale = kept.amax(0)
    variance = torch.ones_like(kept) if error is None else (error[:, place].to(torch.float64) / scale).square()
    return Voxels(
        signal=kept / scale,
        te_s=te,
        used=used,
        variance=variance,
        noise_known=error is not None,
        scale=scale,
        place=place,
    )


def _physical(decay: Decay, voxels: Voxels) -> dict[str, Tensor]:
    """T2, S0 and their doubt from the straight line of the logarithm, NaN where there is no answer."""
    t2 = 1.0 / decay.r2
    log_s0 = decay.level + decay.centre_s * decay.r2
    s0 = voxels.scale * torch.exp(log_s0)
    var_log_s0 = decay.var_level + 2 * decay.centre_s * decay.cov + decay.centre_s.square() * decay.var_r2
    cov_log_s0 = decay.cov + decay.centre_s * decay.var_r2
    residual = torch.where(voxels.used, voxels.signal - decay.predicted, 0.0)
    power, n_used = residual.square().sum(0), voxels.used.sum(0)
    mean = voxels.signal.sum(0) / n_used
    total = torch.where(voxels.used, voxels.signal - mean, 0.0).square().sum(0)
    reason = torch.zeros(len(t2), dtype=torch.uint8, device=t2.device)
    for code, holds in (
        (T2Reason.RISING, decay.rising),
        (T2Reason.AT_BOUND, decay.at_bound),
        (T2Reason.NOT_CONVERGED, ~decay.converged | ~torch.isfinite(t2 + s0)),
    ):
        reason[holds & (reason == T2Reason.OK)] = int(code)
    values = {
        "t2_s": t2,
        "s0": s0,
        "t2_stderr_s": t2.square() * decay.var_r2.sqrt(),
        "s0_stderr": s0 * var_log_s0.clamp(min=0).sqrt(),
        "covariance": -s0 * t2.square() * cov_log_s0,
        "rmse": voxels.scale * (power / n_used).sqrt(),
        "r_squared": torch.where(total > 0, 1.0 - power / total, torch.nan),
    }
    if decay.b1 is not None:
        values["b1"] = decay.b1
    ok = reason == T2Reason.OK
    known = {name: torch.where(ok, value, torch.nan) for name, value in values.items()}
    return known | {"reason": reason, "converged": decay.converged}

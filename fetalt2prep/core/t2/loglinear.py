"""Log-linear least squares for T2, weighted by the signal."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.fit import T2Fit, T2Reason

T2_RANGE_S = (0.01, 5.0)


def fit_loglinear(
    echoes: Tensor,
    te_s: Tensor,
    *,
    stderr: Tensor | None = None,
    floor: Tensor | float = 0.0,
    t2_range_s: tuple[float, float] = T2_RANGE_S,
) -> T2Fit:
    """Fit ``log S = log S0 - TE / T2`` in every voxel.

    Parameters
    ----------
    echoes
        Signal, (echo, *grid), any common scale.
    te_s
        Echo times, (echo,), seconds, at least two distinct.
    stderr
        Standard error of each echo, like ``echoes``. The variance of log S is (stderr / S)^2, and so the weights
        are its inverse. Without it the weights are S^2 and the noise is estimated from the fit's residual, which
        needs three echoes or more.
    floor
        Echoes at or below it are left out of the fit, voxel by voxel.
    t2_range_s
        A T2 outside is no answer: NaN, and ``OUT_OF_RANGE`` as the reason.

    Raises
    ------
    ValueError
        Fewer than two distinct echo times: T2 cannot be known.

    Notes
    -----
    Weighted least squares in closed form; weights S^2 undo what the logarithm does to the noise, for the standard
    deviation of log S is that of S over S.
    """
    te = te_s.to(torch.float64)
    if torch.unique(te).numel() < 2:
        raise ValueError(f"T2 needs two distinct echo times or more; given: {te_s.tolist()} s.")
    te = te.reshape(-1, *[1] * (echoes.ndim - 1))
    signal = echoes.to(torch.float64)
    above = torch.isfinite(signal) & (signal > floor) & (signal > 0)
    log_signal = torch.log(torch.where(above, signal, 1.0))
    variance = torch.ones_like(signal) if stderr is None else stderr.to(torch.float64).square()
    weight = torch.where(above & (variance > 0), signal.square() / variance, 0.0)

    sum_w = weight.sum(0)
    mean_te = (weight * te).sum(0) / sum_w
    mean_log = (weight * log_signal).sum(0) / sum_w
    spread = (weight * (te - mean_te).square()).sum(0)
    r2 = -(weight * (te - mean_te) * (log_signal - mean_log)).sum(0) / spread
    log_s0 = mean_log + r2 * mean_te
    t2 = 1.0 / r2
    s0 = torch.exp(log_s0)
    residual = torch.where(above, signal - monoexponential(s0, t2, te_s.to(torch.float64)), 0.0)
    n_used = above.sum(0)
    rmse = torch.sqrt(residual.square().sum(0) / n_used)

    if stderr is None:
        dof = n_used - 2
        noise_var = torch.where(dof > 0, residual.square().sum(0) / dof.clamp(min=1), torch.nan)
    else:
        noise_var = torch.ones_like(sum_w)
    r2_var = noise_var / spread
    log_s0_var = noise_var * (1.0 / sum_w + mean_te.square() / spread)

    reason = _reason(echoes, above, r2, t2, t2_range_s)
    ok = reason == T2Reason.OK
    return T2Fit(
        t2_s=_where_ok(ok, t2),
        s0=_where_ok(ok, s0),
        t2_stderr_s=_where_ok(ok, t2.square() * torch.sqrt(r2_var)),
        s0_stderr=_where_ok(ok, s0 * torch.sqrt(log_s0_var)),
        rmse=_where_ok(ok, rmse),
        ok=ok,
        reason=reason,
    )


def _reason(echoes: Tensor, above: Tensor, r2: Tensor, t2: Tensor, t2_range_s: tuple[float, float]) -> Tensor:
    """One code of :class:`T2Reason` per voxel; the first cause that holds wins. (echo, *grid) -> (*grid)."""
    outside = (echoes == 0).all(0) | torch.isnan(echoes).any(0)
    reason = torch.zeros_like(r2, dtype=torch.uint8)
    causes = (
        (outside, T2Reason.OUTSIDE),
        ((above.sum(0) < 2) & (echoes > 0).all(0), T2Reason.TOO_FEW_ECHOES),
        (above.sum(0) < 2, T2Reason.NON_POSITIVE),
        (r2 <= 0, T2Reason.RISING),
        ((t2 < t2_range_s[0]) | (t2 > t2_range_s[1]), T2Reason.OUT_OF_RANGE),
        (~torch.isfinite(t2), T2Reason.NON_POSITIVE),
    )
    for holds, code in causes:  # six causes, in order of precedence
        reason = torch.where((reason == T2Reason.OK) & holds, int(code), reason.int()).to(torch.uint8)
    return reason


def _where_ok(ok: Tensor, value: Tensor) -> Tensor:
    return torch.where(ok, value, torch.nan).to(torch.float32)

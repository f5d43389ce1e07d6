"""Echo train of a fast spin echo by extended phase graphs.

Between two refocusing pulses, one echo spacing apart, gradients dephase the transverse magnetisation by one full turn
across a voxel, half of it on either side of the echo. What a pulse below 180 degrees does not refocus it leaves as
magnetisation of higher dephasing order, or stores along z, where it decays with T1: those pathways come back into
later echoes, and the train decays more slowly than with T2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def refocusing_train(n_echoes: int, angle_rad: float) -> Tensor:
    """Nominal angles of a train, (echo,): ``angle`` throughout, but the first pulse is ``90 deg + angle / 2``.

    That first pulse brings the magnetisation close to the steady state at once, so that the first echoes do not
    oscillate (Hennig and Scheffler, Magn Reson Med 2000, 44:983).
    """
    angles = torch.full((n_echoes,), angle_rad, dtype=torch.float64)
    angles[:1] = math.pi / 2 + angle_rad / 2
    return angles


def echo_train(
    t1_s: Tensor,
    t2_s: Tensor,
    spacing_s: float,
    refocusing_rad: Tensor,
    *,
    b1: Tensor | None = None,
    excitation_rad: float = math.pi / 2,
) -> Tensor:
    """Amplitudes of the echoes of a train that meets the Carr-Purcell-Meiboom-Gill condition, M0 = 1.

    t1_s, t2_s, b1 broadcast to (*grid); refocusing_rad: (echo,) -> (echo, *grid), in the type and on the device of
    ``t2_s``. ``b1``: actual angle over nominal, 1 where right; it scales excitation and refocusing alike. The echo
    ``n``, counted from 1, is at ``n * spacing_s``.

    Extended phase graphs after Weigel 2015 (doi:10.1002/jmri.24619). Excitation about y and refocusing about x keep
    every transverse state real and every longitudinal one imaginary, so real numbers do. Magnetisation that regrows
    along z during the train reaches only even orders at the pulses, never an echo, and is left out. An order that
    cannot be back in time for the last echo is not followed: half as many orders as echoes are exact.
    """
    if refocusing_rad.ndim != 1 or len(refocusing_rad) < 1:
        raise ValueError(f"refocusing_rad has shape {tuple(refocusing_rad.shape)}; one angle per echo is needed.")
    if not spacing_s > 0:
        raise ValueError(f"echo spacing is {spacing_s} s; it must be positive.")
    t1_s, t2_s, b1 = torch.broadcast_tensors(t1_s, t2_s, torch.ones_like(t2_s) if b1 is None else b1)
    n_orders = (len(refocusing_rad) + 1) // 2
    decay = torch.exp(-spacing_s / t2_s)[None]
    stored_decay = torch.exp(-spacing_s / t1_s)[None]
    half = torch.exp(-spacing_s / (2 * t2_s))
    # (order, *grid) at a pulse: order j is dephased by j + 1/2 turns, with either sign, or stored with it.
    ahead = torch.zeros((n_orders, *t2_s.shape), dtype=t2_s.dtype, device=t2_s.device)
    ahead[0] = torch.sin(excitation_rad * b1) * half
    behind, stored = torch.zeros_like(ahead), torch.zeros_like(ahead)
    echoes = []
    for nominal in refocusing_rad.to(t2_s):  # in time: each pulse acts on what the one before left
        angle = nominal * b1
        turned, kept = torch.sin(angle / 2) ** 2, torch.cos(angle / 2) ** 2
        exchanged = torch.sin(angle)
        transverse = (ahead - behind) * exchanged / 2
        behind_after = turned * ahead + kept * behind - exchanged * stored
        ahead_after = kept * ahead + turned * behind + exchanged * stored
        stored = (torch.cos(angle) * stored - transverse) * stored_decay
        echoes.append(behind_after[0] * half)
        ahead = torch.cat((behind_after[:1], ahead_after[:-1])) * decay
        behind = torch.cat((behind_after[1:], torch.zeros_like(behind[:1]))) * decay
    return torch.stack(echoes)

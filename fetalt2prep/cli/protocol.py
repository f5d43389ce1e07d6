"""``fetalt2 protocol --field 0.55 --n-te 3``: echo times that measure T2 best."""

from __future__ import annotations

import argparse
import sys
from typing import Any

DESCRIPTION = (
    "Propose echo times that make T2 most precise: the least standard deviation that any unbiased fit can have "
    "(Cramer-Rao bound for magnitudes), at the T2 within the range where it is worst. With --te, say how far the given "
    "times are from that. Prints the errors that each set brings with it as well."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command; times in seconds."""
    add = parser.add_argument
    add(
        "--field", type=float, default=0.55, metavar="TESLA", help="field strength: sets the range of T2 (0.55, 1.5, 3)"
    )
    add("--n-te", type=int, default=3, metavar="N", help="number of echo times")
    add("--te", type=float, nargs="+", metavar="S", help="echo times to judge, in SECONDS")
    add("--t2", type=float, nargs=2, metavar=("LOW", "HIGH"), help="range of T2 in seconds (None: that of the field)")
    add("--snr", type=float, default=50.0, help="S0 over the noise of one echo")
    add("--te-min", type=float, default=0.080, metavar="S", help="shortest echo time the sequence allows, seconds")
    add("--te-max", type=float, default=0.700, metavar="S", help="longest echo time, seconds")
    add("--gap", type=float, default=0.040, metavar="S", help="least distance of two echo times, seconds")


def run(arguments: argparse.Namespace) -> int:
    """Propose and print."""
    from fetalt2prep.core.t2.protocol import T2_OF_FIELD, ProtocolOptions, propose_echo_times

    if arguments.t2 is None and arguments.field not in T2_OF_FIELD:
        known = ", ".join(f"{field:g}" for field in T2_OF_FIELD)
        raise ValueError(f"--field {arguments.field:g}: T2 is known for {known} T; give its range with --t2.")
    options = ProtocolOptions(
        t2_range_s=tuple(arguments.t2 or T2_OF_FIELD[arguments.field]),
        te_range_s=(arguments.te_min, arguments.te_max),
        gap_s=arguments.gap,
        snr=arguments.snr,
    )
    sets = {"proposed": propose_echo_times(arguments.n_te, options)}
    if arguments.te is not None:
        if len(set(arguments.te)) < 2 or not all(0 < te < 5 for te in arguments.te):
            raise ValueError("--te: give two distinct echo times or more, in seconds.")
        sets["given"] = tuple(sorted(arguments.te))
    sys.stdout.write(protocol_text(sets, options))
    return 0


def protocol_text(sets: dict[str, tuple[float, ...]], options: Any) -> str:
    """Precision and errors of sets of echo times, as text."""
    import torch

    from fetalt2prep.core.t2.budget import SessionFacts, bias_budget
    from fetalt2prep.core.t2.precision import t2_precision

    low, high = options.t2_range_s
    t2_s = (low, round((low + high) / 2, 4), high)
    lines = [
        f"T2 {1000 * low:g} to {1000 * high:g} ms, S0 = {options.snr:g} times the noise; one voxel, each echo once.",
        "",
    ]
    columns = "".join(f"{f'T2 {1000 * t2:g} ms':>14}" for t2 in t2_s)
    for name, te_s in sets.items():
        precision = t2_precision(torch.tensor(te_s), torch.tensor(t2_s), options.snr).tolist()
        budget = bias_budget(SessionFacts(te_s=te_s, snr=options.snr), t2_s)
        rows = [("standard deviation", [f"{100 * value:.1f} %" for value in precision])]
        for effect in budget.effects:
            cells = [f"{100 * a:+.0f} to {100 * b:+.0f} %" for a, b in zip(effect.low, effect.high, strict=True)]
            rows.append((effect.name, cells))
        lines += [f"{name}: {' '.join(f'{te:g}' for te in te_s)} s", f"{'':24}{columns}"]
        lines += [f"{label:24}" + "".join(f"{cell:>14}" for cell in cells) for label, cells in rows]
        lines += [f"  {effect.name}: {effect.because}" for effect in budget.effects] + [""]
    if len(sets) > 1:
        from fetalt2prep.core.t2.protocol import worst_precision

        worst = [float(worst_precision(torch.tensor(te_s, dtype=torch.float64), options)) for te_s in sets.values()]
        lines += [
            f"At the worst T2 the given times give {worst[1] / worst[0]:.2f} times the standard deviation.",
            "",
        ]
    return "\n".join(lines)

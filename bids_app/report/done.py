"""What was done for a session, from its derivatives and the options of the run: what its methods text tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bids_app.methods.account import Account
from bids_app.report.derivatives import Session
from bids_app.report.words import count


def done(session: Session, options: dict[str, Any]) -> Account:
    """The account of one session; of what neither derivatives nor options say, nothing is said.

    What the reconstruction wrote down comes before the options of the run, which may be a later one.
    """
    facts, t2 = session.facts, _table(options, "t2")
    has_t2 = session.path("T2map.nii.gz") is not None
    low, high = t2.get("t2_bounds_s", (None, None))
    fit: dict[str, Any] = {
        "version": _table(facts, "versions").get("fetalt2prep"),
        "t2_model": t2.get("model"),
        "t2_bounds_s": (low, high) if low and high else None,
        "t2_noise_floor": t2.get("noise_floor"),
        "guided": None if session.path("desc-guided_T2map.nii.gz") is None else "given",
    }
    if facts.get("given"):
        return Account(
            last="all" if has_t2 else "recon",
            given=True,
            given_files=tuple(map(str, facts["given"])),
            te_ms=tuple(1000 * float(te_s) for te_s in facts.get("te_s", [])),
            **fit,
        )
    counts = count(session.stacks, session.slices)
    before = {**options, **_table(facts, "before")}
    recon = {**_table(options, "recon"), **_table(facts, "options"), **facts}
    status, sources = (session.stacks.get(name, []) for name in ("status", "mask_source"))
    return Account(
        last="all" if has_t2 else "recon" if facts else "masks",
        n_stacks=counts.n_used_stacks,
        te_ms=counts.te_ms,
        masks=frozenset(source for source, state in zip(sources, status, strict=False) if state == "used"),
        mask_consensus=options.get("mask_consensus"),
        denoise=before.get("denoise"),
        bias=before.get("bias"),
        resolution_mm=recon.get("resolution_mm"),
        field=recon.get("field"),
        model=recon.get("model"),
        profile=recon.get("profile"),
        motion=recon.get("motion"),
        coil_field=recon.get("coil_field"),
        seed=recon.get("seed"),
        **fit,
    )


def _table(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A table of a file; empty when there is none of that name."""
    found = content.get(name, {})
    return dict(found) if isinstance(found, dict) else {}

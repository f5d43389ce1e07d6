"""Reconstructed volumes of ``--derivatives recon=PATH``, one per echo time, of this or of another program."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bids_app.entities import read_entities
from bids_app.filters import Filters, passes
from bids_app.inheritance import inherited_metadata
from bids_app.session import GivenEcho, SessionInputs, StackProblem
from fetalt2prep.io.sidecar import InputError, echo_time_s

NOT_ECHOES = ("bias", "density", "guide", "mismatch", "preproc", "rmse", "sampled")
"""``desc-`` of T2w images beside reconstructed echoes that are none."""
Found = tuple[Path, Mapping[str, str]]


def query_reconstructions(
    root: Path, participants: Sequence[str], sessions: Collection[str], filters: Filters
) -> dict[str, list[SessionInputs]]:
    """Sessions of each participant with ``rec-<label>[_echo-<n>]..._T2w`` volumes and their echo times.

    Volumes of one session that cannot be used together are problems of the session, which then has no echoes.
    """
    root = root.absolute()
    found: dict[str, list[SessionInputs]] = {}
    for subject in participants:
        files = sorted(path for path in (root / f"sub-{subject}").rglob("*.nii*") if path.is_file())
        images = [(path, read_entities(path, root)) for path in files]
        volumes = [item for item in images if _is_volume(item[1]) and passes(item[1], filters.get("t2w", {}))]
        labels = sorted({entities.get("session") for _, entities in volumes}, key=str)
        found[subject] = [
            _session(
                subject, label, *([i for i in items if i[1].get("session") == label] for items in (volumes, images))
            )
            for label in labels
            if not sessions or label in sessions
        ]
    return found


def _is_volume(entities: Mapping[str, str]) -> bool:
    return (
        entities.get("suffix") == "T2w"
        and "reconstruction" in entities
        and "run" not in entities
        and entities.get("desc", "").rstrip("0123456789") not in NOT_ECHOES
    )


def _session(subject: str, label: str | None, volumes: Sequence[Found], images: Sequence[Found]) -> SessionInputs:
    echoes: list[GivenEcho] = []
    problems: list[StackProblem] = []
    recs = sorted({entities["reconstruction"] for _, entities in volumes})
    if len(recs) > 1:
        message = (
            f"{volumes[0][0].name}: the session has reconstructions of several kinds ({', '.join(recs)}). Choose one "
            'with --bids-filter-file: {"t2w": {"reconstruction": "' + recs[0] + '"}}.'
        )
        problems.append(StackProblem(image=volumes[0][0], message=message))
    else:
        for path, _ in volumes:
            try:
                te_s = echo_time_s(inherited_metadata(path, path.parent), path.name)
                echoes.append(GivenEcho(image=path, te_s=te_s))
            except InputError as error:
                problems.append(StackProblem(image=path, message=str(error)))
        if len({round(echo.te_s, 6) for echo in echoes}) < 2:
            message = f"{volumes[0][0].name}: T2 needs two distinct echo times or more; the session has {len(echoes)}."
            problems.append(StackProblem(image=volumes[0][0], message=message))
            echoes = []
    masks = [
        path
        for path, entities in images
        if entities.get("suffix") == "mask"
        and entities.get("desc") in (None, "brain")
        and entities.get("reconstruction") in recs
        and not {"run", "resolution"} & set(entities)
    ]
    return SessionInputs(
        subject=subject,
        session=label,
        problems=tuple(problems),
        rec=recs[0],
        echoes=tuple(sorted(echoes, key=lambda echo: echo.te_s)),
        recon_mask=masks[0] if len(masks) == 1 else None,
    )

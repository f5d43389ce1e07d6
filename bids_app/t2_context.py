"""What a data set says of a session besides its stacks: segmentation, gestational age, protocol."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from bids_app.inheritance import inherited_metadata
from bids_app.options import Options
from bids_app.session import SessionInputs
from fetalt2prep.core.t2.options import T2Context
from fetalt2prep.io.tables import MISSING, read_tsv

LOG = logging.getLogger("fetalt2prep")
AGE_COLUMNS = ("gestational_age", "gestational_age_weeks", "ga_weeks", "ga", "scan_ga", "age_at_scan_weeks")
WEEKS = (10.0, 50.0)
OWN_MAPS = ("_desc-reason_", "_desc-truth_")
MIN_REFOCUSING_DEG = 100.0


def t2_context(session: SessionInputs, options: Options) -> T2Context:
    """Everything that the tables of regions and the bias budget want to know of a session.

    The options of the T2 fit come before what the sidecars say.
    """
    notes: list[str] = []
    segmentation = None
    if options.segmentation is not None:
        segmentation = find_segmentation(options.segmentation, session, notes)
    for note in notes:
        LOG.warning("%s: %s", session.label, note)
    fields = {stack.field_t for stack in session.stacks if stack.field_t is not None}
    volumes = [math.prod(stack.voxel_mm[:2]) * stack.thickness_mm for stack in session.stacks]
    return T2Context(
        segmentation=None if segmentation is None else str(segmentation),
        element_mm3=sorted(volumes)[len(volumes) // 2] if volumes else None,
        gestational_age_weeks=gestational_age(options.bids_dir, session),
        field_t=fields.pop() if len(fields) == 1 else None,
        refocusing_deg=options.t2.refocusing_deg or refocusing_angle(session, options.bids_dir),
        echo_spacing_s=options.t2.echo_spacing_s,
        notes=tuple(notes),
    )


def find_segmentation(root: Path, session: SessionInputs, notes: list[str]) -> Path | None:
    """The label map (``_dseg.nii[.gz]``) of a session; what stands in the way is added to ``notes``."""
    folder = root.joinpath(*session.label.split("_"))
    found = sorted(path for ending in (".nii", ".nii.gz") for path in folder.rglob(f"*_dseg{ending}"))
    found = [path for path in found if not any(word in path.name for word in OWN_MAPS)]
    if session.session is None:
        found = [path for path in found if "_ses-" not in path.name]
    if len(found) == 1:
        return found[0]
    if not found:
        notes.append(f"no segmentation (_dseg) in {folder}: regions are classes of T2.")
    else:
        names = ", ".join(path.name for path in found)
        notes.append(f"several segmentations ({names}): keep one; regions are classes of T2.")
    return None


def gestational_age(bids_dir: Path, session: SessionInputs) -> float | None:
    """Weeks at the scan, from sessions.tsv of the participant, else participants.tsv; None when neither says."""
    subject = f"sub-{session.subject}"
    tables = [(bids_dir / "participants.tsv", "participant_id", subject)]
    if session.session is not None:
        path = bids_dir / subject / f"{subject}_sessions.tsv"
        tables.insert(0, (path, "session_id", f"ses-{session.session}"))
    for path, key, name in tables:
        if (age := _age_in(path, key, name)) is not None:
            return age
    return None


def _age_in(path: Path, key: str, name: str) -> float | None:
    if not path.is_file():
        return None
    try:
        table = {column.strip().lower(): cells for column, cells in read_tsv(path).items()}
    except (OSError, ValueError) as error:
        LOG.warning("%s cannot be read as text in UTF-8 (%s); its gestational ages are not used.", path, error)
        return None
    column = next((c for c in AGE_COLUMNS if c in table), None)
    if column is None or key not in table or name not in table[key]:
        return None
    text = table[column][table[key].index(name)]
    if text in ("", MISSING):
        return None
    try:
        weeks = float(text)
    except ValueError:
        weeks = math.nan
    if not WEEKS[0] <= weeks <= WEEKS[1]:
        LOG.warning(
            "%s: %s of %s is %s; weeks from 10 to 50 were expected, so it is not used.", path, column, name, text
        )
        return None
    return weeks


def refocusing_angle(session: SessionInputs, root: Path) -> float | None:
    """FlipAngle of the sidecars, where all agree and it can only be that of the refocusing pulses: 100 to 180."""
    angles = [inherited_metadata(stack.image, root).get("FlipAngle") for stack in session.stacks]
    angle = angles[0] if angles and all(other == angles[0] for other in angles) else None
    return float(angle) if isinstance(angle, int | float) and MIN_REFOCUSING_DEG <= angle <= 180.0 else None

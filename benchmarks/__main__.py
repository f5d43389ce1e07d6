"""``python -m benchmarks``: every benchmark in turn, on simulated cases with truth (see ``cases.py``)."""

from __future__ import annotations

from benchmarks import (
    ablation,
    blurred_truth,
    cases,
    denoisers,
    engine_page,
    left_out,
    limits,
    models,
    paper_tables,
    scaling,
    severe,
    spoiled,
)

if __name__ == "__main__":
    cases.main([])
    models.main([])
    paper_tables.main(["--small", "--anew"])
    for script in (ablation, limits, blurred_truth, severe, scaling, left_out, denoisers, spoiled):
        script.main([])
    engine_page.main()

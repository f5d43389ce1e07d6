"""``python -m benchmarks``: every benchmark in turn, on simulated cases with truth (see ``cases.py``)."""

from __future__ import annotations

from benchmarks import cases, models, paper_tables

if __name__ == "__main__":
    cases.main([])
    models.main([])
    paper_tables.main(["--small", "--anew"])

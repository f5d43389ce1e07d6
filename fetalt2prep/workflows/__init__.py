"""Workflow builders ``init_<step>_wf``: they wire interfaces and know nothing else."""

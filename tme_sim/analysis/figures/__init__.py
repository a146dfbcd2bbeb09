"""Figures of a run: the report, its panels, the tissue, notebooks."""

"""The command line ``tme-sim``."""

from tme_sim.cli.main import BAD_INPUT, DONE, FAILED, INTERRUPTED, main

__all__ = ["BAD_INPUT", "DONE", "FAILED", "INTERRUPTED", "main"]

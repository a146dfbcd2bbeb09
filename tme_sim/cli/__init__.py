"""The command line ``tme-sim``: one module a command, arguments and messages and nothing else."""

from tme_sim.cli.exit_codes import BAD_INPUT, DONE, FAILED, INTERRUPTED
from tme_sim.cli.main import main

__all__ = ["BAD_INPUT", "DONE", "FAILED", "INTERRUPTED", "main"]

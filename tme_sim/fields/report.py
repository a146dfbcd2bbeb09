"""How a step went: amounts exchanged, substeps, cycles and errors of every substrate."""

from collections.abc import Mapping
from dataclasses import dataclass

AMOUNTS = ("in", "out", "decayed", "taken_up", "stored")


@dataclass(frozen=True)
class SubstrateReport:
    """How one substrate's step went.

    Attributes:
        substeps: substeps in time.
        cycles: multigrid cycles, all substeps together.
        residual: largest remaining error of a solve, relative to the norm of the field
            (the residual weighed by the preconditioner).
        error: estimated error in time, relative to the norm of the field.
        balance: amounts [unit x voxels] in, out, decayed, taken_up and stored in the step.
    """

    substeps: int
    cycles: int
    residual: float
    error: float
    balance: Mapping[str, float]


class StepReport(dict[str, SubstrateReport]):
    """Reports by substrate name; its own attributes are the worst or the sum over substrates."""

    @property
    def substeps(self) -> int:
        """Most substeps any substrate took."""
        return max((report.substeps for report in self.values()), default=0)

    @property
    def cycles(self) -> int:
        """Multigrid cycles of all substrates."""
        return sum(report.cycles for report in self.values())

    @property
    def residual(self) -> float:
        """Largest solver error."""
        return max((report.residual for report in self.values()), default=0.0)

    @property
    def error(self) -> float:
        """Largest error in time."""
        return max((report.error for report in self.values()), default=0.0)

    @property
    def balance(self) -> dict[str, float]:
        """Amounts added over the substrates (of use where there is one, or one unit)."""
        return {key: sum(report.balance[key] for report in self.values()) for key in AMOUNTS}

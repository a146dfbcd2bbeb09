"""One signed influence of a source on a unit: the row of every table of prior knowledge."""

from dataclasses import dataclass

ROLES = ("activates", "requires", "inhibits", "either")
ROLE_OF_SIGN = {1: "activates", -1: "inhibits", 0: "either"}


@dataclass(frozen=True)
class Edge:
    """`source` acts on `target`; `gate` is empty or the name of a source that multiplies it.

    `sign` is +1 or -1, and 0 where only training can tell (role `either`).
    """

    source: str
    target: str
    sign: int
    role: str
    gate: str = ""
    kind: str = "network"
    evidence: str = "assumed"
    reference: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES or self.sign != _SIGN_OF_ROLE.get(self.role):
            msg = (
                f"edge {self.source} -> {self.target}: role {self.role!r} "
                f"against sign {self.sign:+d}"
            )
            raise ValueError(msg)


_SIGN_OF_ROLE = {"activates": 1, "requires": 1, "inhibits": -1, "either": 0}

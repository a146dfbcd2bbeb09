"""The clones of a run: who carries which genotype, since when, and from whom."""

from typing import Any, NamedTuple


class Clone(NamedTuple):
    """A set of cells with one genotype and one founder."""

    index: int  # type: ignore[assignment] # hides tuple.index, which nobody needs
    parent: int  # index of the clone it arose in; -1 for a founder
    genotype: int  # bits, see Scenario.genotypes
    time: float  # [min] when it arose; 0 for founders and standing clones
    name: str


class Clones(list[Clone]):
    """All clones in the order of their origin; ``clones[i].index == i``."""

    def add(self, *, parent: int, genotype: int, time: float, name: str) -> Clone:
        """Append a clone and return it."""
        clone = Clone(len(self), parent, genotype, time, name)
        self.append(clone)
        return clone

    def state(self) -> dict[str, list[Any]]:
        """Plain lists by field, for a checkpoint."""
        return {field: [getattr(c, field) for c in self] for field in Clone._fields}

    def restore(self, state: dict[str, list[Any]]) -> None:
        """Take over the clones of a checkpoint."""
        self[:] = [
            Clone(int(i), int(p), int(g), float(t), str(n))
            for i, p, g, t, n in zip(*(state[f] for f in Clone._fields), strict=True)
        ]

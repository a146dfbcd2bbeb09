"""Find a cell's own rows and its daughters in the lineage of a run, without reading it all."""

from typing import Any

import numpy as np

from tme_sim.output.run import Run

MAX_DAUGHTERS = 40  # listed one by one; more are counted
BEGINS = ("founder", "birth", "arrival")
NO_CLONE = -1


class Family:
    """The lineage table of a run, sorted once by cell and once by mother."""

    def __init__(self, run: Run) -> None:
        lineage = run.lineage
        self._clone_parents = run.clones["parent"].to_numpy()
        self._clone_names = run.clones["name"].to_numpy()
        self._start = float(run.times[0])
        self._time, self._id, self._mother, self._clone = (
            lineage[name].to_numpy() for name in ("time", "id", "mother", "clone")
        )
        self._event, self._cause = lineage["event"].to_numpy(), lineage["cause"].to_numpy()
        self._by_id = np.argsort(self._id, kind="stable")
        self._by_mother = np.argsort(self._mother, kind="stable")
        first = run.frame(0, ("id", "clone"))
        self._founders = dict(zip(first["id"].tolist(), first["clone"].tolist(), strict=True))

    @property
    def ids(self) -> list[int]:
        """Every cell that ever lived."""
        begun = np.isin(self._event, BEGINS)
        return list(dict.fromkeys([*self._founders, *self._id[begun].tolist()]))

    def clone_of(self, identity: int) -> int:
        """The clone that a cell was born into; -1 where it has none."""
        begun = self._begun(identity)
        if begun is None:
            return int(self._founders.get(identity, NO_CLONE))
        return int(self._clone[begun])

    def life(self, identity: int) -> dict[str, Any]:
        """Where a cell came from, what became of it, and its daughters."""
        begun, clone = self._begun(identity), self.clone_of(identity)
        mother = 0 if begun is None else int(self._mother[begun])
        own = _rows(self._id, self._by_id, identity)
        ended = [k for k in own if self._event[k] not in BEGINS]
        children = _rows(self._mother, self._by_mother, identity)
        born = [k for k in children if self._event[k] == "birth"]
        known_mother = mother not in (0, identity)
        return {
            "origin": "founder" if begun is None else str(self._event[begun]),
            "from": self._start if begun is None else float(self._time[begun]),
            "mother": str(mother) if known_mother else None,
            "mutation": self._fresh(self.clone_of(mother), clone) if known_mother else "",
            "ended": [
                {"time": float(self._time[k]), "event": self._event[k], "cause": self._cause[k]}
                for k in ended
            ],
            "daughters": [
                {"id": str(self._id[k]), "time": float(self._time[k]),
                 "mutation": self._fresh(clone, int(self._clone[k]))}
                for k in born[:MAX_DAUGHTERS]
            ],
            "n_daughters": len(born),
        }  # fmt: skip

    def _begun(self, identity: int) -> int | None:
        own = _rows(self._id, self._by_id, identity)
        return next((int(k) for k in own if self._event[k] in BEGINS), None)

    def _fresh(self, mother_clone: int, clone: int) -> str:
        """What a clone has that the clone it arose from has not, where that is the mother's."""
        if clone == mother_clone or not 0 <= clone < len(self._clone_parents):
            return ""
        if int(self._clone_parents[clone]) != mother_clone:
            return ""
        return str(self._clone_names[clone]).rpartition(" + ")[2]


def _rows(values: np.ndarray, order: np.ndarray, wanted: int) -> np.ndarray:
    """Rows where ``values`` equals ``wanted``, in their order; ``order`` sorts ``values``."""
    start = np.searchsorted(values, wanted, side="left", sorter=order)
    end = np.searchsorted(values, wanted, side="right", sorter=order)
    return order[start:end]

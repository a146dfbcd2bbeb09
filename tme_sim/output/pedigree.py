"""Everyone who ever lived in a run: one row per cell, from the lineage table and the first frame.

A mother keeps her identity at a division and the daughter is a new cell, so that every birth is the
birth of one cell. Founders stand in no birth row: they are the cells of the first frame.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tme_sim.state.columns import ALIVE

if TYPE_CHECKING:
    from tme_sim.output.run import Run

FOUNDER = "founder"
NO_MOTHER = 0
UNSEEN = "unseen"  # type of a cell that came and went between two frames, of several supplied types
CAUSES = ("", "apoptosis", "necrosis", "necrosis")  # of death, by status
_BEGINS = ("birth", "arrival", FOUNDER)
_ENDS = ("cleared", "removed")


def pedigree(run: "Run") -> pd.DataFrame:
    """One row per cell that ever lived, in the order of their coming.

    Columns:
        id, mother: identities; mother 0 for founders and arrivals.
        origin: ``founder``, ``birth`` or ``arrival``.
        birth: when it was there first [min].
        death: when it died [min], NaN while it lives; a cell that leaves or is removed alive is
            gone then. Of cells that were dead at the start, the start.
        cause: ``apoptosis``, ``necrosis``, ``left`` (through an open wall), ``user``; empty while
            it lives.
        cleared: when its body was gone from the tissue [min], NaN while it is there.
        type: name of its cell type.
        clone: index into ``run.clones``, -1 for tissue that is no tumor.
        mutation: what it acquired at its birth, empty for nearly all. Mutations from before the run
            are those of its founders' clones.
    """
    origins = _origins(run)
    ids = origins["id"].to_numpy()
    lineage = run.lineage
    died = lineage[lineage["event"] == "death"].drop_duplicates("id").set_index("id")
    died = pd.concat([_dead_founders(run), died[["time", "cause"]]])
    gone = lineage[lineage["event"].isin(_ENDS)].drop_duplicates("id").set_index("id")
    death, cleared = (table["time"].reindex(ids).to_numpy() for table in (died, gone))
    cause = died["cause"].reindex(ids)
    cause = cause.where(cause.notna(), gone["cause"].reindex(ids)).fillna("")
    return origins.assign(
        death=np.where(np.isnan(death), cleared, death),
        cause=cause.to_numpy(),
        cleared=cleared,
        type=_types(run, origins),
        mutation=_mutations(run, origins),
    )[[*_COLUMNS]]


_COLUMNS = (
    "id", "mother", "origin", "birth", "death", "cause", "cleared", "type", "clone", "mutation",
)  # fmt: skip


def living(table: pd.DataFrame, time: float) -> np.ndarray:
    """Which cells of a pedigree live at a time [min], bool (n_cells,)."""
    birth, death = table["birth"].to_numpy(), table["death"].to_numpy()
    alive: np.ndarray = (birth <= time) & ~(death <= time)
    return alive


def _origins(run: "Run") -> pd.DataFrame:
    """Who came, when and how: the cells of the first frame, then those of the lineage."""
    start = float(run.times[0])
    first = run.frame(0, ("id", "clone"))
    founders = pd.DataFrame(first).assign(mother=NO_MOTHER, origin=FOUNDER, birth=start)
    lineage = run.lineage[run.lineage["event"].isin(_BEGINS)]
    later = lineage.rename(columns={"event": "origin", "time": "birth"})
    table = pd.concat([founders, later[founders.columns]], ignore_index=True)
    return table.drop_duplicates("id", ignore_index=True)


def _dead_founders(run: "Run") -> pd.DataFrame:
    """Time and cause, by id, of cells that are dead in the first frame: they never live in it."""
    first = run.frame(0, ("id", "status"))
    dead = first["status"] != ALIVE
    causes = np.array(CAUSES, dtype=object)[first["status"][dead]]
    return pd.DataFrame({"time": float(run.times[0]), "cause": causes}, index=first["id"][dead])


def _types(run: "Run", origins: pd.DataFrame) -> np.ndarray:
    """Names of types: of founders and arrivals as frames show them, of daughters their mother's."""
    seen: dict[int, int] = {}
    for k in range(len(run.times)):
        cells = run.frame(k, ("id", "type"))
        seen.update(zip(cells["id"].tolist(), cells["type"].tolist(), strict=True))
    names = (*run.columns["type"]["categories"], UNSEEN)
    supplied = {g["type"] for g in run.resolved["cells"].values() if _is_supplied(g)}
    unseen = names.index(supplied.pop()) if len(supplied) == 1 else len(names) - 1
    for cell, mother in zip(origins["id"].tolist(), origins["mother"].tolist(), strict=True):
        if cell not in seen:
            seen[cell] = seen.get(mother, unseen)
    return np.array(names, dtype=object)[[seen[cell] for cell in origins["id"].tolist()]]


def _is_supplied(group: dict[str, Any]) -> bool:
    return float(str(group["supply"]).split()[0]) > 0.0


def _mutations(run: "Run", origins: pd.DataFrame) -> np.ndarray:
    """What a daughter has that her mother has not: the last part of her clone's name."""
    names = np.array(["", *run.clones["name"]], dtype=object)  # -1 is no clone
    parents = np.array([-1, *run.clones["parent"]])
    clone = origins["clone"].to_numpy() + 1
    mother = dict(zip(origins["id"].tolist(), clone.tolist(), strict=True))
    of_mother = np.array([mother.get(m, -1) for m in origins["mother"].tolist()])
    fresh = (origins["origin"] == "birth").to_numpy() & (of_mother >= 0) & (clone != of_mother)
    fresh &= parents[clone] + 1 == of_mother
    found = np.full(len(origins), "", dtype=object)
    found[fresh] = [name.rpartition(" + ")[2] for name in names[clone[fresh]]]
    return found

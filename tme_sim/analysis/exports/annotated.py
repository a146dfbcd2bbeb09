"""Write the cells of one frame as AnnData (.h5ad), for scanpy and squidpy.

One observation per cell, one variable per recorded node of the cell model; ``obs`` holds what else
was recorded and the cell's lineage, ``obsm["spatial"]`` its centre [um] (two coordinates in
2D), ``obsm["substrates"]`` each recorded field in its voxel, ``uns["tme_sim"]`` what was run.
AnnData: Virshup et al. 2024, doi:10.21105/joss.04371.
"""

import json
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from tme_sim.analysis.figures.palette import PHASE_COLORS, STATUS_COLORS, type_color
from tme_sim.analysis.metrics import tumor_codes
from tme_sim.fields.grid import Grid
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run

NODE = "node"
COLORS = {"phase": PHASE_COLORS, "status": STATUS_COLORS}  # of categories
LINEAGE = ("mother", "origin", "birth", "death", "cause", "mutation")  # columns of run.pedigree


def write(run: Run, frames: range, path: Path) -> None:
    """Write the first of ``frames``."""
    annotated(run, frames[0]).write_h5ad(path)


def annotated(run: Run, frame: int) -> anndata.AnnData:
    """The cells of a frame as AnnData.

    Raises:
        RunFileError: the run knows no type of cell.
    """
    if not run.columns["type"]["categories"]:
        msg = f"{run.path}: has fields but no cells to export; choose --to csv or vtk"
        raise RunFileError(msg)
    cells = run.cells(run.times[frame])
    cells.index = pd.Index(cells["id"].astype(str).to_numpy(), name="cell")
    nodes = [name for name, c in run.columns.items() if c["source"] == NODE]
    position = cells[["x", "y", "z"]].to_numpy("f4")
    found = anndata.AnnData(
        X=cells[nodes].to_numpy("f4"),
        obs=_observations(run, cells.drop(columns=[*nodes, "x", "y", "z"])),
        var=_variables(run, nodes),
    )
    found.obsm["spatial"] = position[:, : len(run.size)]
    if run.fields:
        found.obsm["substrates"] = _substrates(run, frame, position, found.obs_names)
    found.uns["tme_sim"] = _origin(run, frame)
    types = run.columns["type"]["categories"]
    colors = {"type": {name: type_color(name, types) for name in types}, **COLORS}
    for name, color in colors.items():
        found.uns[f"{name}_colors"] = [color[c] for c in found.obs[name].cat.categories]
    return found


def _observations(run: Run, cells: pd.DataFrame) -> pd.DataFrame:
    """Recorded columns, clone by name with its genotype, lineage."""
    clones = run.clones.set_index("index")
    genotype = clones["genotype"].map(lambda bits: _genotype(bits, run.scenario.genotypes))
    tumor = cells["type"].cat.codes.isin(tumor_codes(run))
    clone = cells["clone"].where(tumor)  # other tissue belongs to none
    lineage = run.pedigree.set_index("id").loc[cells["id"].to_numpy(), list(LINEAGE)]
    found = cells.assign(
        clone_name=pd.Categorical(clone.map(clones["name"]).fillna("none")),
        genotype=pd.Categorical(clone.map(genotype).fillna("none")),
        **{name: lineage[name].to_numpy() for name in LINEAGE},
    )
    for name in ("origin", "cause", "mutation"):
        found[name] = pd.Categorical(found[name])
    found.attrs.clear()
    return found


def _genotype(bits: int, names: tuple[str, ...]) -> str:
    return " + ".join(name for k, name in enumerate(names) if bits >> k & 1) or "wild type"


def _variables(run: Run, nodes: list[str]) -> pd.DataFrame:
    """What each node is; a node that shares its name with a column of the body loses its prefix."""
    about = [run.columns[name] for name in nodes]
    return pd.DataFrame(
        {"unit": [str(c["units"]) for c in about], "meaning": [str(c["meaning"]) for c in about]},
        index=pd.Index([name.removeprefix(f"{NODE}:") for name in nodes], name="node"),
    )


def _substrates(run: Run, frame: int, position: np.ndarray, names: pd.Index) -> pd.DataFrame:
    voxel = Grid(shape=run.shape, voxel=run.voxel).voxel_of(position)
    return pd.DataFrame(
        {name: run.field_frame(name, frame).ravel()[voxel] for name in run.fields}, index=names
    )


def _origin(run: Run, frame: int) -> dict[str, Any]:
    """What was run, when this frame is, and the units of every number."""
    units = {name: str(c["units"]) for name, c in run.columns.items() if c["source"] != NODE}
    return {
        "run": run.name,
        "seed": run.seed,
        "digest": run.digest(),
        "time_min": float(run.times[frame]),
        "scenario": run.scenario_source,
        "resolved": json.dumps(run.resolved),
        "provenance": {name: str(value) for name, value in run.provenance.items()},
        "units": {**units, "birth": "min", "death": "min", "spatial": "um"},
        "substrate_units": dict(run.fields),
        "clones": run.clones,
    }

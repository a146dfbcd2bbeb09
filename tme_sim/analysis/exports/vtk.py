"""Write cells and fields as VTK files, for ParaView: a folder with one of each per frame.

``cells_NNNN.vtp`` holds a point per cell with every recorded column (draw them as spheres with the
array ``radius``), ``fields_NNNN.vti`` the voxels with every recorded substrate. ``cells.pvd`` and
``fields.pvd`` list them with their times [min]: these two are what to open. Categories (type,
phase, ...) are codes; the names that they count are field data, as are units.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pyvista as pv

from tme_sim.output.run import Run


def write(run: Run, frames: range, path: Path) -> None:
    """Write the folder ``path``."""
    path.mkdir()
    times = [float(run.times[k]) for k in frames]
    kinds = {"cells": (cells, "vtp")} | ({"fields": (fields, "vti")} if run.fields else {})
    for name, (make, suffix) in kinds.items():
        files = [f"{name}_{k:04d}.{suffix}" for k in frames]
        for k, file in zip(frames, files, strict=True):
            make(run, k).save(path / file)
        _collection(times, files).write(path / f"{name}.pvd", "utf-8", xml_declaration=True)


def cells(run: Run, frame: int) -> pv.PolyData:
    """The cells of a frame as points [um]."""
    columns = run.frame(frame, tuple(run.columns))
    mesh = pv.PolyData(columns.pop("position").astype("f4"))
    for name, values in columns.items():
        mesh.point_data[name] = values.astype("u1") if values.dtype == bool else values
        if run.columns[name]["categories"]:
            mesh.field_data[f"{name} names"] = list(run.columns[name]["categories"])
    return _labelled(mesh, run, frame, {n: str(c["units"]) for n, c in run.columns.items()})


def fields(run: Run, frame: int) -> pv.ImageData:
    """The voxels of a frame, every recorded field as cell data."""
    nz, ny, nx = run.shape
    mesh = pv.ImageData(dimensions=(nx + 1, ny + 1, nz + 1), spacing=(run.voxel,) * 3)
    for name in run.fields:
        mesh.cell_data[name] = run.field_frame(name, frame).ravel()  # x runs fastest in both
    return _labelled(mesh, run, frame, run.fields)


def _labelled(mesh: pv.DataSet, run: Run, frame: int, units: dict[str, str]) -> pv.DataSet:
    mesh.field_data["TimeValue"] = np.array([run.times[frame]])
    mesh.field_data["units"] = [f"{name} [{unit}]" for name, unit in units.items()]
    mesh.field_data["run"] = [f"{run.name}, seed {run.seed}, tme-sim {run.provenance['tme_sim']}"]
    return mesh


def _collection(times: list[float], files: list[str]) -> ET.ElementTree:
    """ParaView's list of files by time."""
    root = ET.Element("VTKFile", type="Collection", version="0.1")
    listed = ET.SubElement(root, "Collection")
    for time, file in zip(times, files, strict=True):
        ET.SubElement(listed, "DataSet", timestep=f"{time:g}", part="0", file=file)
    ET.indent(root)
    return ET.ElementTree(root)

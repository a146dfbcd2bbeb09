"""Write a run in the formats of other programs: AnnData, VTK, simularium, CSV, Parquet."""

from tme_sim.analysis.exports.write import FORMATS, export

__all__ = ["FORMATS", "export"]

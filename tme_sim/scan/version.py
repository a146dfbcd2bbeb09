"""What the result of a run depends on beside its scenario: the code and the weights, as hashes."""

import functools
import hashlib
from pathlib import Path

from surrogates import registry
from tme_sim.release import VERSION
from tme_sim.scan.imports import closure, source_files
from tme_sim.scenario import Scenario

ROOT = Path(__file__).parents[2]  # holds the packages
SIMULATES = ("tme_sim.simulation", "tme_sim.output.digest")  # with all that they import
ONLY_READS = ("tme_sim.output.run",)  # a run opens what it recorded, and describes it
TABLES = ("tme_sim/scenario/catalogue/*.yaml", "surrogates/prior/*.tsv")


@functools.cache
def code() -> str:
    """Version with a hash of every source file and table that a run's result depends on."""
    hasher = hashlib.sha256()
    for file in _read_by_a_run():
        hasher.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return f"{VERSION}+{hasher.hexdigest()[:16]}"


def weights(scenario: Scenario) -> str:
    """Hash of the cell model's weights; its name where it has none."""
    surrogate = scenario.surrogate
    name = surrogate.name or "tme-cell"
    if surrogate.path is None and name in registry.BUILT_IN:
        return name
    file = registry.find_weights(name, surrogate.path) / registry.WEIGHT_FILE
    return _weights_hash(file, file.stat().st_mtime_ns)


def file_hash(path: str | Path) -> str:
    """sha256 of a file as it is now: it may be edited between two scans of one process."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@functools.lru_cache(maxsize=8)
def _weights_hash(file: Path, _changed: int) -> str:
    return file_hash(file)


def _read_by_a_run() -> list[Path]:
    files = source_files(ROOT)
    sources = [files[name] for name in closure(ROOT, SIMULATES, without=ONLY_READS)]
    return sources + sorted(file for pattern in TABLES for file in ROOT.glob(pattern))

"""What the result of a run depends on beside its scenario: the code and the weights, as hashes."""

import functools
import hashlib
from pathlib import Path

import surrogates
import tme_sim
from surrogates import registry
from tme_sim.scenario import Scenario

NO_RESULT = ("cli", "progress.py", "analysis", "bench", "replay", "scan", "examples")
"""Parts of the package that a run's result does not depend on."""


@functools.cache
def code() -> str:
    """Version with a hash of every source file that a run's result depends on."""
    root, other = Path(tme_sim.__file__).parent, Path(surrogates.__file__).parent
    own = [f for f in _sources(root) if f.relative_to(root).parts[0] not in NO_RESULT]
    hasher = hashlib.sha256()
    for folder, files in ((root, own), (other, _sources(other))):
        for file in files:
            hasher.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return f"{tme_sim.__version__}+{hasher.hexdigest()[:16]}"


def weights(scenario: Scenario) -> str:
    """Hash of the cell model's weights; its name where it has none."""
    surrogate = scenario.surrogate
    name = surrogate.name or "tme-cell"
    if surrogate.path is None and name in registry.BUILT_IN:
        return name
    return _weights_hash(str(registry.find_weights(name, surrogate.path)))


@functools.cache
def file_hash(path: str) -> str:
    """sha256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@functools.cache
def _weights_hash(folder: str) -> str:
    return registry.weights_hash(folder)


def _sources(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.suffix in (".py", ".yaml", ".tsv"))

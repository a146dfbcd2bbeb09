"""Imports run one way, from the command line down to draws and devices."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (  # each may import itself and what stands below it
    ("cli",),
    ("bench",),
    ("scan",),
    ("simulation", "progress", "analysis", "replay"),
    ("model", "output"),
    ("agents", "processes", "therapy"),
    ("scenario",),
    ("fields", "state"),
    ("compute",),
    ("errors",),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
MAY_ASK_THE_CELL_MODEL = {  # `surrogates` stands apart: the model calls it, others read names
    "cli": ("registry", "evaluation", "training"),
    "model": ("", "channels", "contract"),
    "scenario": ("channels", "mutations"),
    "output": ("channels",),
    "analysis": ("", "channels", "contract", "evaluation", "phenotype", "registry"),
    "processes": ("contract",),
    "scan": ("", "registry"),  # the hash of code and weights
    "replay": ("channels", "prior"),
}
MODULES = sorted((ROOT / "tme_sim").rglob("*.py"))


def imported(path):
    """Names of the modules that a file imports when it runs, inside functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in ("tme_sim", "surrogates"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def place(path):
    """The part of the package that a file belongs to."""
    return path.relative_to(ROOT / "tme_sim").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_below_it(path):
    here = place(path)
    wrong = []
    for name in imported(path):
        package, _, rest = name.partition(".")
        part = rest.partition(".")[0]
        if package == "tme_sim" and here != "__init__" and part in RANK:
            wrong += [name] if RANK[part] < RANK[here] else []
        if package == "surrogates":
            wrong += [name] if part not in MAY_ASK_THE_CELL_MODEL.get(here, ()) else []

    assert wrong == []


def test_every_part_of_the_package_has_its_layer():
    assert {place(path) for path in MODULES} - {"__init__"} == set(RANK)


@pytest.mark.parametrize("path", sorted((ROOT / "surrogates").rglob("*.py")), ids=str)
def test_the_cell_model_knows_nothing_of_tissue(path):
    assert not [name for name in imported(path) if name.startswith("tme_sim")]

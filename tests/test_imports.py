"""Imports run one way, from the command line down to draws and devices; imports by name too."""

import ast
import functools
import graphlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tme_sim.scan.imports import closure, dependencies, imports, source_files
from tme_sim.scan.version import ONLY_READS, SIMULATES

ROOT = Path(__file__).parents[1]
LAYERS = (  # each may import itself and what stands below it
    ("cli",),
    ("bench",),
    ("scan",),
    ("progress",),
    ("simulation", "repetition", "warm_up", "analysis", "replay"),
    ("bug_report",),
    ("continuation",),
    ("model", "output"),
    ("agents", "processes", "therapy"),
    ("scenario",),
    ("fields", "state"),
    ("compute",),
    ("files", "text"),
    ("errors", "release"),
)
TRAINED_OR_SCORED = ("training", "evaluation", "data", "own_network")  # wings that no run needs
HEAVY = ("h5py", "matplotlib", "mesa", "numba", "numpy", "pandas", "pydantic", "scipy", "torch")
USERS_CODE = {  # these import what a user names
    "tme_sim.scan.outcomes",
    "tme_sim.therapy.policies",
}
LAZY_NAMES = {"tme_sim", "tme_sim.scenario", "tme_sim.therapy"}  # tables of names and their homes
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
MAY_ASK_THE_CELL_MODEL = {  # `surrogates` stands apart: the model calls it, others read names
    "cli": ("registry", "evaluation", "training"),
    "compute": ("disk_cache",),
    "continuation": ("contract",),
    "model": ("", "channels", "contract"),
    "scenario": ("channels", "drugs", "mutations"),
    "output": ("channels", "drugs"),
    "analysis": (
        "",
        "channels",
        "contract",
        "evaluation",
        "occupancy",
        "phenotype",
        "registry",
        "trajectory",
    ),
    "processes": ("contract", "phenotype"),
    "scan": ("", "registry"),  # the hash of code and weights
    "warm_up": ("", "channels", "occupancy", "transform"),
    "replay": ("channels", "drugs", "prior"),
}
FILES = source_files(ROOT)
SIMULATOR = sorted(name for name in FILES if name.startswith("tme_sim."))
CELL_MODELS = sorted(name for name in FILES if name.split(".")[0] == "surrogates")


@functools.cache
def imported(module):
    """Modules of ours that a module depends on, by statement or by string."""
    return dependencies(module, FILES)


def part(module):
    """The part of its package that a module belongs to; empty for the package itself."""
    return (*module.split("."), "")[1]


@pytest.mark.parametrize("module", SIMULATOR)
def test_a_module_imports_only_what_stands_below_it(module):
    above = {
        name
        for name in imported(module)
        if name == "tme_sim" or (name in SIMULATOR and RANK[part(name)] < RANK[part(module)])
    }

    assert above == set()


@pytest.mark.parametrize("module", SIMULATOR)
def test_only_a_few_parts_ask_the_cell_model(module):
    asked = {part(name) for name in imported(module) if name in CELL_MODELS}

    assert asked <= set(MAY_ASK_THE_CELL_MODEL.get(part(module), ()))


def test_every_part_of_the_package_has_its_layer():
    assert {part(name) for name in SIMULATOR} == set(RANK)


@pytest.mark.parametrize("module", CELL_MODELS)
def test_the_cell_model_knows_nothing_of_tissue(module):
    assert not imported(module) & {"tme_sim", *SIMULATOR}


def test_no_modules_import_one_another_in_a_circle():
    order = graphlib.TopologicalSorter({name: imported(name) for name in FILES})

    try:
        order.prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_only_lazy_names_and_users_code_are_imported_by_name():
    by_name = {name for name, file in FILES.items() if imports(file).by_name}

    assert by_name == LAZY_NAMES | USERS_CODE


def test_a_run_needs_nothing_of_training_and_evaluation():
    wings = {part(name) for name in closure(ROOT, SIMULATES) if name in CELL_MODELS}

    assert "network" in wings
    assert not wings & set(TRAINED_OR_SCORED)


@pytest.mark.parametrize("module", [m for m in CELL_MODELS if part(m) not in TRAINED_OR_SCORED])
def test_what_runs_cell_models_needs_nothing_of_training_evaluation_data_or_pandas(module):
    needed = closure(ROOT, [module])
    libraries = {full.split(".")[0] for name in needed for full in imports(FILES[name]).names}

    assert not {part(name) for name in needed} & set(TRAINED_OR_SCORED)
    assert "pandas" not in libraries


def test_a_run_needs_no_pandas_until_it_is_read():
    needed = {
        name: {full.split(".")[0] for full in imports(FILES[name]).names}
        for name in closure(ROOT, SIMULATES, without=ONLY_READS)
    }

    assert "numpy" in needed["tme_sim.output.recorder"]
    assert [name for name, libraries in needed.items() if "pandas" in libraries] == []


@pytest.mark.parametrize("module", ["tme_sim", "tme_sim.cli"])
def test_importing_the_package_or_its_command_line_loads_nothing_slow(module):
    code = f"import sys, {module}; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    loaded = set(output.stdout.split())
    assert module in loaded
    assert loaded & set(HEAVY) == set()


@pytest.mark.parametrize("module", sorted(LAZY_NAMES))
def test_lazy_names_come_from_where_type_checkers_look_for_them(module):
    tree = ast.parse(FILES[module].read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    homes = {alias.name: node.module for node in block.body for alias in node.names}
    package = importlib.import_module(module)

    assert homes.keys() == set(package.__all__) - {"__version__"}
    for name, home in homes.items():
        assert getattr(package, name) is getattr(importlib.import_module(home), name)

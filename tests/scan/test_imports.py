"""What a module depends on, found without importing it."""

import pytest

from tme_sim.scan.imports import closure, dependencies, source_files

SOURCES = {
    "tme_sim/__init__.py": "",
    "tme_sim/a.py": "import numpy\nfrom tme_sim import b\nfrom tme_sim.inner.c import thing\n",
    "tme_sim/b.py": "def f():\n    import tme_sim.d\n",
    "tme_sim/d.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tme_sim.e\n",
    "tme_sim/e.py": "",
    "tme_sim/inner/__init__.py": (
        "import importlib\n"
        "HOMES = {'x': 'c', 'y': 'tme_sim.e'}\n"
        "def __getattr__(name):\n"
        "    return importlib.import_module(HOMES[name])\n"
    ),
    "tme_sim/inner/c.py": "CALLED = 'tme_sim.e'\n",
    "surrogates/__init__.py": "",
}


@pytest.fixture
def root(tmp_path):
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("tme_sim.a", {"tme_sim.b", "tme_sim.inner.c"}),
        ("tme_sim.b", {"tme_sim.d"}),  # inside a function
        ("tme_sim.d", set()),  # for type checkers alone
        ("tme_sim.inner", {"tme_sim.inner.c", "tme_sim.e"}),  # by name
        ("tme_sim.inner.c", set()),  # a string that names a module, and no import by name
    ],
)
def test_a_module_depends_on_what_it_imports_anywhere(root, module, needed):
    assert dependencies(module, source_files(root)) == needed


def test_a_closure_holds_what_is_imported_at_any_depth(root):
    assert closure(root, ["tme_sim.a"]) == [
        "tme_sim.a",
        "tme_sim.b",
        "tme_sim.d",
        "tme_sim.inner.c",
    ]
    assert closure(root, ["tme_sim.a"], without=["tme_sim.b"]) == ["tme_sim.a", "tme_sim.inner.c"]


def test_a_relative_import_is_refused_with_its_line(root):
    (root / "tme_sim" / "e.py").write_text("import numpy\nfrom . import a\n")

    with pytest.raises(ValueError, match="line 2"):
        dependencies("tme_sim.e", source_files(root))

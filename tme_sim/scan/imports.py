"""Which modules a module depends on, read from its source without importing it.

Every import statement counts, inside functions too; those for type checkers alone do not. A module
that imports by name (``importlib.import_module``) depends on every module that one of its strings
names, in full or within its own package, so that tables of lazy names count as well.
"""

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("tme_sim", "surrogates")
BY_NAME = ("import_module", "__import__")


def closure(root: Path, modules: Collection[str], *, without: Collection[str] = ()) -> list[str]:
    """The modules and all that they depend on, sorted.

    Args:
        root: folder that holds the packages.
        modules: full names to begin with.
        without: full names that are left out, with what only they need.
    """
    files = source_files(root)
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and module not in without:
            found.add(module)
            waiting += dependencies(module, files)
    return sorted(found)


def dependencies(module: str, files: Mapping[str, Path]) -> set[str]:
    """The modules among ``files`` that one of them imports."""
    file = files[module]
    found = imports(file)
    names = {_nearest(name, files) for name in found.names}
    if found.by_name:
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        names |= (found.strings | {f"{package}.{text}" for text in found.strings}) & files.keys()
    return names - {"", module}


class Imports(NamedTuple):
    """What a file imports.

    Attributes:
        names: of its import statements, such as ``numpy`` or ``package.module.function``.
        by_name: whether it also imports modules whose names it computes.
        strings: all of its strings.
    """

    names: set[str]
    by_name: bool
    strings: set[str]


def imports(file: Path) -> Imports:
    """What a file imports when it runs.

    Raises:
        ValueError: an import is relative.
    """
    names, strings, by_name = set(), set(), False
    for node in _running(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{_package(node, file)}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
        elif isinstance(node, ast.Call):
            by_name |= ast.unparse(node.func).endswith(BY_NAME)
    return Imports(names, by_name, strings)


def _package(node: ast.ImportFrom, file: Path) -> str:
    if node.module is None or node.level:
        msg = f"{file}, line {node.lineno}: imports name their package in full"
        raise ValueError(msg)
    return node.module


def source_files(root: Path) -> dict[str, Path]:
    """The file of every module by its full name; that of a package is its ``__init__.py``."""
    files = sorted(file for package in PACKAGES for file in (root / package).rglob("*.py"))
    return {_module_name(file.relative_to(root)): file for file in files}


def _module_name(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _nearest(name: str, known: Collection[str]) -> str:
    """The module that holds a name: the name itself or a parent of it; empty where none does."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a module but those that only type checkers see."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)

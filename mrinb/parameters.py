"""Chapter parameters: which were declared, which were injected, and whether they fit.

papermill only logs a parameter that a notebook does not declare. Here it is an error, found from
the source of the cells that ran: the ``parameters`` cell declares with annotations, and the cell
papermill injects starts with ``# Parameters``.
"""

from __future__ import annotations

import ast
import builtins
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mrinb.compute.context import PUBLISHED, Context, cache_dir
from mrinb.compute.workers import default_workers
from mrinb.data.splits import apply
from mrinb.errors import MrinbError, unknown

OPTIONAL = {"split": "str"}
"""Parameters that every chapter takes though none declares them, and their types."""

TYPES = ("str", "int", "float", "bool")

LARGEST = 2**62
"""Whole numbers stay below: a table's column and torch's seeds have 64 bits."""


def declared(cells: Sequence[str]) -> dict[str, str]:
    """Names and types of the parameters that cells declare as ``name: type = value``."""
    return {
        node.target.id: ast.unparse(node.annotation)
        for cell in cells
        for node in _statements(cell)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def injected(cells: Sequence[str]) -> list[str]:
    """Names that papermill's injected cells assign."""
    return [
        target.id
        for cell in cells
        if cell.lstrip().startswith("# Parameters")
        for node in _statements(cell)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]


def _statements(cell: str) -> list[ast.stmt]:
    try:
        return ast.parse(cell).body
    except SyntaxError:  # a cell with shell or magic lines holds no parameters
        return []


def read(namespace: Mapping[str, Any], common: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of the notebook whose globals are given, validated.

    Args:
        namespace: ``globals()`` of the notebook.
        common: names and types that every chapter takes.

    Returns:
        Parameter values by name, the common ones included where they are defined.

    Raises:
        MrinbError: a parameter was injected that is not declared, or has the wrong type.
    """
    cells = [str(c) for c in namespace.get("In", ())]
    # A chapter run as a plain script has no cells, but its annotations.
    noted = namespace.get("__annotations__", {})
    annotated = {n: getattr(kind, "__name__", str(kind)) for n, kind in noted.items()}
    types = {**common, **annotated, **declared(cells)}
    for name in injected(cells):
        if name not in types:
            raise unknown("parameter", name, types)
    values = {n: namespace[n] for n in types if n in namespace}
    return {n: check(n, v, types[n]) for n, v in values.items()}


def check(name: str, value: Any, type_name: str) -> Any:
    """One value of the declared type; a whole number also serves as a float.

    Raises:
        MrinbError: the value has another type, or no table can hold it.
    """
    if type_name not in TYPES:
        return value
    wanted = getattr(builtins, type_name)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise MrinbError(f"parameter {name} = {value!r}: give a value of type {type_name}")
    if wanted is int and abs(value) >= LARGEST:
        raise MrinbError(f"parameter {name} = {value}: give a number below 2^62")
    return value


def context(values: Mapping[str, Any]) -> Context:
    """Surroundings from parameters, and from the environment where a book is built."""
    context = Context(
        published=_published(),
        data_root=Path(values["data_root"]).expanduser() if values.get("data_root") else None,
        split=values.get("split", ""),
        device=values.get("device", "auto"),
        workers=values.get("workers") or default_workers(),
        compute=_policy(),
    )
    apply.rule(context.split)
    if values.get("store"):
        context = replace(context, store=Path(values["store"]).expanduser().resolve())
    elif os.environ.get("MRINB_STORE"):
        context = replace(context, store=Path(os.environ["MRINB_STORE"]))
    root = context.data_root
    if root is not None:
        if not root.is_dir():
            raise MrinbError(f"data_root {root}: no such folder; give your fastMRI folder")
        context = replace(context, data_root=root.resolve())
    return replace(context, cache=cache_dir())


def _policy() -> Any:
    policy = os.environ.get("MRINB_COMPUTE", "auto")
    if policy not in ("never", "ask", "auto"):
        raise unknown("MRINB_COMPUTE", policy, ["never", "ask", "auto"])
    return policy


def _published() -> tuple[Path, ...]:
    """The published store: named by the environment, else the one beside the package."""
    named = os.environ.get("MRINB_PUBLISHED")
    folder = Path(named) if named else PUBLISHED
    return (folder,) if folder.is_dir() else ()

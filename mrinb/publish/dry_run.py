"""Chapters run dry: their cells run, but nothing is computed, drawn or written.

What a chapter needs is known only to its notebook. A list of it kept elsewhere would drift, so the
notebook itself is run, in this process, with a lab that writes down which results it is asked for
and hands out those that are in the store. For one that is missing it hands out a stand-in, which
absorbs whatever is done with it. A statement that cannot work on a stand-in leaves another one.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import nbformat
import pandas as pd

from mrinb.compute.context import Context, Policy
from mrinb.compute.entry import Entry
from mrinb.compute.specs import Spec
from mrinb.compute.workers import store_of
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.recipes import RECIPES
from mrinb.runs import Best
from mrinb.specs import ExhibitSpec
from mrinb.stats import claims

SILENT = re.compile(r"mrinb\.(figures|widgets|chapters\.\w+\.figures)(\.|$)")
"""Packages that only show: a dry run calls none of their functions."""
STAGE = "_dry_run"
"""Name under which a cell of a dry run finds its stage."""


class Missing:
    """Stands for a result that is not there: whatever is done with it gives it again."""

    def __getattr__(self, name: str) -> Missing:
        if name.startswith("__"):  # what Python and numpy look for, such as __array__
            raise AttributeError(name)
        return self

    def _same(self, *_: Any, **__: Any) -> Missing:
        return self

    __call__ = __getitem__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _same
    __truediv__ = __rtruediv__ = __floordiv__ = __pow__ = __neg__ = __abs__ = __round__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __rand__ = __ror__ = __invert__ = _same
    __matmul__ = __enter__ = _same

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __setattr__(self, name: str, value: Any) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __float__(self) -> float:
        return float("nan")

    def __format__(self, how: str) -> str:
        return "missing"

    def __str__(self) -> str:
        return "missing"

    __repr__ = __str__


MISSING = Missing()


@dataclass
class DryRun:
    """What a chapter asked for.

    Attributes:
        name: the chapter's name.
        context: where and how the chapter would have its results computed.
        wanted: the results it asked for, in its order.
        verdicts: verdict by claim and the number of the check, or None where results are missing.
        outcomes: answers that it gives beside its claims, where results are there.
        stood_in: how often a stand-in was handed out.
        absent: how often because the result is not in the stores.
        fatal: an error of the lab's that no stand-in explains.
    """

    name: str
    context: Context | None = None
    wanted: dict[Spec, None] = field(default_factory=dict)
    verdicts: dict[tuple[str, int], claims.Verdict | None] = field(default_factory=dict)
    outcomes: list[claims.Outcome] = field(default_factory=list)
    stood_in: int = 0
    absent: int = 0
    fatal: Exception | None = None

    stand_in: ClassVar[Missing] = MISSING

    def forgive(self, error: Exception) -> None:
        """Pass over what failed because of a stand-in.

        Raises:
            Exception: the error, where no stand-in explains it.
        """
        if not self.stood_in or error is self.fatal:
            raise error


def dry_run(
    path: Path,
    parameters: Mapping[str, Any],
    *,
    compute: Policy = "auto",
    fresh: bool = False,
    judge: bool = False,
) -> DryRun:
    """Run a chapter's cells without computing anything.

    Args:
        path: the notebook.
        parameters: values to inject, checked already.
        compute: what the chapter is told about missing results.
        fresh: whether the stores are taken to be empty.
        judge: whether claims are checked, which takes some seconds.

    Returns:
        The results it asked for, and verdicts on its claims as far as results are there. A
        selection that rests on results which are missing is made as if the first choice were best.

    Raises:
        MrinbError: a parameter does not fit, or a cell failed for a reason of its own.
    """
    stage = DryRun(path.stem)
    cells = _cells(path, parameters)
    ran: list[str] = []
    space: dict[str, Any] = {
        "__name__": "__main__", "In": ran, "display": MISSING, STAGE: stage,
    }  # fmt: skip
    lab = _lab(stage, compute, fresh)
    for number, source in enumerate(cells, start=1):
        ran.append(source)
        for statement in _statements(source, f"{path.name}, code cell {number}"):
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(statement, f"<{path.name}>", "exec"), space)
            except MrinbError:
                raise
            except Exception as error:
                raise MrinbError(
                    f"{path.name}, code cell {number}: {type(error).__name__}: {error}"
                ) from error
            _recast(space, lab, stage, judge)
    if judge and stage.absent:
        _note_unreached(stage, cells)
    return stage


def _note_unreached(stage: DryRun, cells: Sequence[str]) -> None:
    """Note the claims that a chapter names and could not come to without results."""
    known = {claim for claim, _ in stage.verdicts}
    for node in ast.walk(ast.parse("\n".join(cells))):
        if isinstance(node, ast.Constant) and node.value in claims.CLAIMS.keys() - known:
            known.add(node.value)
            stage.verdicts[node.value, 0] = None


def _cells(path: Path, parameters: Mapping[str, Any]) -> list[str]:
    """Code cells of a chapter with the injected one where papermill puts it."""
    out = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            out.append(cell.source)
            if "parameters" in cell.metadata.get("tags", []):
                lines = [f"{name} = {value!r}" for name, value in parameters.items()]
                out.append("\n".join(["# Parameters", *lines]))
    return out


def _statements(source: str, where: str) -> Iterator[ast.Module]:
    """The statements of a cell, each of which passes over errors that stand-ins cause."""
    try:
        tree = _Forgiving().visit(ast.parse(source))
    except SyntaxError as error:
        raise MrinbError(f"{where} is not plain Python: {error.msg}") from None
    for node in ast.fix_missing_locations(tree).body:
        yield ast.Module([node], [])


class _Forgiving(ast.NodeTransformer):
    """Wraps every statement in ``try: ... except Exception: forgive, and assign a stand-in``."""

    def generic_visit(self, node: ast.AST) -> Any:
        super().generic_visit(node)
        if not isinstance(
            node, ast.Expr | ast.Assign | ast.AnnAssign | ast.For | ast.If | ast.With
        ):
            return node
        handler = [f"{STAGE}.forgive(_error)"]
        handler += [f"{name} = {STAGE}.stand_in" for name in _targets(node)]
        body = "".join(f"    {line}\n" for line in handler)
        (tried,) = ast.parse(f"try:\n    pass\nexcept Exception as _error:\n{body}").body
        assert isinstance(tried, ast.Try) and isinstance(node, ast.stmt)
        tried.body = [node]
        return tried


def _targets(node: ast.AST) -> list[str]:
    """What a statement assigns to, tuples taken apart."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return []
    flat: list[ast.AST] = [t for t in targets if t is not None]
    names = []
    while flat:
        target = flat.pop(0)
        if isinstance(target, ast.Tuple | ast.List):
            flat += target.elts
        elif isinstance(target, ast.Starred):
            flat.append(target.value)
        else:
            names.append(ast.unparse(target))
    return names


CHAPTERS = "mrinb.chapters."


def _recast(space: dict[str, Any], lab: type[Lab], stage: DryRun, judge: bool) -> None:
    """Put the dry run's lab and claims, and silence, in place of what a cell imported."""
    for name, value in space.items():
        if value is Lab:
            space[name] = lab
        elif value is claims:
            space[name] = _Module(claims, stage, judge) if judge else MISSING
        elif SILENT.match(_home(value)):
            space[name] = MISSING
        elif isinstance(value, ModuleType) and value.__name__.startswith(CHAPTERS):
            space[name] = _Module(value, stage, judge)
        elif inspect.isfunction(value) and value.__module__.startswith(CHAPTERS):
            space[name] = _stood_in(value, stage, judge)


def _home(value: Any) -> str:
    """The module that a value is or comes from."""
    if isinstance(value, ModuleType):
        return value.__name__
    return value.__module__ if inspect.isfunction(value) or inspect.isclass(value) else ""


class _Module:
    """A module for a chapter of a dry run: what shows is silent, what decides is written down.

    Args:
        module: ``claims``, or a chapter's package.
        stage: what takes the verdicts and outcomes.
        judge: whether there are to be any.
    """

    def __init__(self, module: ModuleType, stage: DryRun, judge: bool) -> None:
        self._module, self._stage, self._judge = module, stage, judge

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if SILENT.match(_home(value)):
            return MISSING
        return _stood_in(value, self._stage, self._judge) if inspect.isfunction(value) else value


def _stood_in(function: Callable[..., Any], stage: DryRun, judge: bool) -> Callable[..., Any]:
    """A function of a chapter or of the claims, as a chapter of a dry run calls it."""
    if judge and (function.__module__ == claims.__name__ or function in claims.ANSWERS):
        return _recorded(function, stage)
    return _tolerant(function, stage)


def _recorded(function: Callable[..., Any], stage: DryRun) -> Callable[..., Any]:
    """A function that decides something, which the stage gets to know."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if _holds_missing((*args, options)):
            if args and isinstance(args[0], str) and args[0] in claims.CLAIMS:
                _note(stage, args[0], None)
            return MISSING
        try:
            found = function(*args, **options)
        except Exception as error:
            stage.fatal = error
            raise
        if isinstance(found, claims.Verdict):
            _note(stage, found.id, found)
        if function in claims.ANSWERS:
            rows = found.itertuples(index=False)
            stage.outcomes += [claims.ANSWERS[function](*row) for row in rows]
        return found

    return call


def _note(stage: DryRun, claim: str, verdict: claims.Verdict | None) -> None:
    count = sum(known == claim for known, _ in stage.verdicts)
    stage.verdicts[claim, count] = verdict


def _holds_missing(value: Any) -> bool:
    """Whether a value is a stand-in, or a collection or record with one in it."""
    if isinstance(value, Missing):
        return True
    if is_dataclass(value) and not isinstance(value, type):
        return any(_holds_missing(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, Mapping):
        return any(map(_holds_missing, value.values()))
    return isinstance(value, list | tuple | set) and any(map(_holds_missing, value))


def _is_empty(value: Any) -> bool:
    """Whether a value is what a loop over a stand-in leaves behind."""
    return isinstance(value, list | tuple | dict | pd.DataFrame) and not len(value)


def _lab(stage: DryRun, compute: Policy, fresh: bool) -> type[Lab]:
    """A lab that computes nothing and tells the stage what it is asked for."""

    class DryLab(Lab):
        @classmethod
        def from_parameters(cls, *args: Any, **options: Any) -> Self:
            lab = super().from_parameters(*args, **options)
            stage.context = replace(lab.context, compute=compute)
            return replace(lab, context=stage.context)

        def fetch(self, specs: Sequence[Spec]) -> dict[Spec, Entry]:
            # Of runs that are stood in for there are no specs.
            known = {s: None for s in specs if isinstance(s, Spec)}
            stage.wanted.update(known)
            return {s: _entry(s, stage, self.context, fresh) for s in known}

    for name, method in inspect.getmembers(Lab, inspect.isfunction):
        if not name.startswith("_") and name not in vars(DryLab):
            setattr(DryLab, name, _tolerant(method, stage))
    any_best: Any = DryLab.best_single

    def best_single(self: Lab, pool: Pool, *args: Any, **options: Any) -> Any:
        found = any_best(self, pool, *args, **options)
        if found is not MISSING:
            return found
        inert: Any = found
        first = pool.distributions[0]  # Whichever turns out best costs the same.
        return Best(inert, first, first, inert)

    DryLab.best_single = best_single  # type: ignore[method-assign]
    return DryLab


def _entry(spec: Spec, stage: DryRun, context: Context, fresh: bool) -> Any:
    """A result that is there, or a stand-in; pictures are never looked at."""
    entry = None
    if RECIPES[type(spec)].files is None and not fresh:
        entry = store_of(context).find(spec)
    if entry is not None and not isinstance(spec, ExhibitSpec):
        return entry
    stage.absent += entry is None
    stage.stood_in += 1
    return MISSING


def _tolerant(method: Callable[..., Any], stage: DryRun) -> Callable[..., Any]:
    """A function that gives a stand-in where it cannot work without results."""

    @functools.wraps(method)
    def call(*args: Any, **options: Any) -> Any:
        before = stage.stood_in
        args = tuple(list(a) if inspect.isgenerator(a) else a for a in args)
        given = (*args, *options.values())
        try:
            found = method(*args, **options)
        except Exception as error:
            emptied = stage.stood_in and any(map(_is_empty, given))
            if stage.stood_in > before or emptied or _holds_missing(given):
                return MISSING
            stage.fatal = error
            raise
        return MISSING if _is_empty(found) and _holds_missing(given) else found

    return call

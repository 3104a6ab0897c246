"""What a script tells Optuna, read from its source; the script is never run."""

from __future__ import annotations

import ast
import importlib.util
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hpo.errors import SpecError, advise

_DIRECTIONS = {"MINIMIZE": "minimize", "MAXIMIZE": "maximize"}
"""Member of ``optuna.study.StudyDirection`` -> its name in texts."""


@dataclass(frozen=True)
class Source:
    """The source of a script."""

    path: Path

    @cached_property
    def _tree(self) -> ast.Module:
        """The syntax tree; empty where there is no file, or no Python in it, which
        others report."""
        try:
            return ast.parse(importlib.util.decode_source(self.path.read_bytes()))
        except (OSError, SyntaxError, ValueError):
            return ast.Module(body=[], type_ignores=[])

    @cached_property
    def _values(self) -> dict[str, ast.expr]:
        """The value of each name that the script binds once, and by ``NAME = VALUE``:
        wherever the name is read, it has this value.

        A list or a dict that is used twice may be changed, and is left out.
        """
        bound: Counter[str] = Counter()
        used: Counter[str] = Counter()
        values = {}
        for node in ast.walk(self._tree):
            bound.update(_bind(node))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                used[node.id] += 1
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    values[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    values[name] = value
        known = {}
        for name, value in values.items():
            may_change = isinstance(value, ast.List | ast.Dict) and used[name] > 1
            if bound[name] == 1 and not may_change:
                known[name] = value
        return known

    def read_directions(self) -> list[str] | None:
        """Return the directions that the script gives to ``optuna.create_study``; None
        if it gives none.

        Raises:
            SpecError: it gives some that cannot be read, or gives several studies
                different ones.
        """
        found: dict[tuple[str, ...], int] = {}
        for call in self._list_calls("create_study"):
            directions = self._read_call(call)
            if directions is None:
                self._refuse(f"a direction that cannot be read (line {call.lineno})")
            found.setdefault(directions or (), call.lineno)
        if len(found) > 1:
            lines = ", ".join(str(line) for line in found.values())
            self._refuse(f"different directions (lines {lines})")
        for directions in found:
            return [*directions] or None
        return None

    def is_in_main(self, name: str) -> bool:
        """Return whether the script binds a name under ``if __name__ == …`` alone."""
        inside = 0
        for statement in self._tree.body:
            if isinstance(statement, ast.If) and "__name__" in ast.unparse(
                statement.test
            ):
                inside += _count_bindings(statement, name)
        return 0 < inside == _count_bindings(self._tree, name)

    def list_settings(self) -> dict[str, str]:
        """Return what else the script gives to Optuna, as it is written: sampler,
        pruner and storage of ``create_study``; trials, time and jobs of ``optimize``;
        and whether it calls ``enqueue_trial``.

        Examples:
            ``{"n_trials": "30", "pruner": "MedianPruner(n_warmup_steps=3)"}``.
        """
        settings: dict[str, str] = {}
        studies = [*self._list_calls("create_study")]
        if not studies:  # `optimize` may be anybody's
            return settings
        for call in studies:
            settings |= self._write(call, ("sampler", "pruner", "storage"))
        for call in self._list_calls("optimize"):
            settings |= self._write(call, ("n_trials", "timeout", "n_jobs"))
            if len(call.args) > 1:
                settings["n_trials"] = ast.unparse(self._follow(call.args[1]))
        if any(self._list_calls("enqueue_trial")):
            settings["enqueue_trial"] = ""
        return settings

    def _write(self, call: ast.Call, keys: Sequence[str]) -> dict[str, str]:
        """Return some keyword arguments of a call as texts, without those that are
        None."""
        keywords = self._read_keywords(call) or {}
        texts = {}
        for key in keys:
            value = self._follow(keywords.get(key, ast.Constant(None)))
            if isinstance(value, ast.Call):
                value = ast.Call(
                    ast.Name(_name(value.func)), value.args, value.keywords
                )
            text = ast.unparse(value)
            if text != "None":
                texts[key] = text
        return texts

    def _refuse(self, what: str) -> None:
        add = advise(
            "--direction maximize or minimize",
            "directions='maximize' or directions='minimize'",
        )
        raise SpecError(f"{self.path.name} gives create_study {what}: add {add}.")

    def _read_call(self, call: ast.Call) -> tuple[str, ...] | None:
        """Return the directions of a call, empty where it gives none; None if they
        cannot be read."""
        keywords = self._read_keywords(call)
        if keywords is None:
            return None
        for key in ("direction", "directions"):
            value = self._follow(keywords.get(key, ast.Constant(None)))
            if isinstance(value, ast.Constant) and value.value is None:
                continue  # as Optuna's default
            parts = [value]
            if isinstance(value, ast.List | ast.Tuple):
                parts = value.elts
            names = [self._read_direction(part) for part in parts]
            known = tuple(name for name in names if name is not None)
            return known if len(known) == len(names) else None
        return ()

    def _read_direction(self, value: ast.expr) -> str | None:
        match self._follow(value):
            case ast.Constant(value=str(text)):
                return text
            case ast.Attribute(attr=member):
                return _DIRECTIONS.get(member)
        return None

    def _read_keywords(self, call: ast.Call) -> dict[str, ast.expr] | None:
        """Return the keyword arguments of a call, with those of ``**NAME`` where that
        is a dict in the source; None if it is none."""
        keywords = {}
        for keyword in call.keywords:
            if keyword.arg is not None:
                keywords[keyword.arg] = keyword.value
                continue
            table = self._follow(keyword.value)
            if not isinstance(table, ast.Dict):
                return None
            for key, value in zip(table.keys, table.values, strict=True):
                if not isinstance(key, ast.Constant):
                    return None
                keywords[str(key.value)] = value
        return keywords

    def _list_calls(self, name: str) -> Iterator[ast.Call]:
        """Yield the calls of a function or method, also by a name that an import gives
        it."""
        names = {name}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.alias) and node.name == name and node.asname:
                names.add(node.asname)
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and _name(node.func) in names:
                yield node

    def _follow(self, value: ast.expr) -> ast.expr:
        """Return what a name stands for, if it stands for one value; else itself."""
        if isinstance(value, ast.Name):
            return self._values.get(value.id, value)
        return value


def _name(function: ast.expr) -> str:
    """Return the last name of what a call calls."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _count_bindings(tree: ast.AST, name: str) -> int:
    return sum([*_bind(node)].count(name) for node in ast.walk(tree))


def _bind(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node of a syntax tree binds."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
            yield name
        case ast.alias(name=name, asname=asname):
            yield asname or name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name

"""StudySpec: a study file (TOML), validated, frozen and hashed.

A study is a pure function of this object: its trials depend on nothing else. Every
mistake is reported with the file, the key, the rule, the value found and what to do,
before any database is touched. The models below are the reference of the file format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from hpo import objectives
from hpo.contract import (
    Description,
    Objective,
    ObjectiveParams,
    Parameter,
    Protocol,
    TaskParams,
    describe,
)
from hpo.errors import OTHER_NAME, advise, expected
from hpo.script import Script, is_script
from hpo.study import grid, hashing, tables
from hpo.study.dimensions import (
    LAYERS,
    Curve,
    Dimension,
    SweepTable,
    expand_layers,
    join_layers,
    order_dimensions,
    present,
    split,
    split_layers,
)
from hpo.study.tables import ParamValue, StudyTable, Values

LARGEST_GAP = 0.005
"""Between two scores of the same networks, in accuracy, or twice that as a share of
another score, to which solvers agree: above it, they are two results."""

BUDGETED = ("epochs", "score_every")
"""Parameters of an objective that ``[budget]`` gives."""

IMPORTED = "imported"
"""The objective of a study that comes from Optuna, until somebody names a function."""

VARIABILITY = "variability."
"""Before the name of an entry of ``[variability]`` where a sweep names it."""


ASK_AND_TELL = "ask-and-tell"
"""The objective of a study whose trials somebody outside evaluates."""


_LONGEST = 200


def _check_name(name: str) -> str:
    return _check_label(name, f"Choose another: {advise(*OTHER_NAME)}.")


def _check_label(name: str, do: str) -> str:
    if not re.fullmatch(r"\w[\w.+-]{0,99}", name):
        rule = (
            "1 to 100 letters, digits or . _ + -, beginning with a letter, a digit or _"
        )
        raise ValueError(expected("", rule, repr(name), do))
    size = len(name.encode())
    if size > _LONGEST:  # a name begins the names of files, of at most 255 bytes
        rule = f"at most {_LONGEST} bytes in UTF-8"
        raise ValueError(expected("", rule, f"{size} in {name!r}", do))
    return name


_Tag = Annotated[str, AfterValidator(partial(_check_label, do="Choose another."))]


def _empty_is_none(value: Any) -> Any:
    if value == {}:
        return None
    return value


def _false_is_none(value: Any) -> Any:
    if value is False:
        return None
    return value


class StudyKind(StrEnum):
    """What a study looks for."""

    SEARCH = "search"
    """The best score."""
    FRONT = "front"
    """The least cost of every score: ``[cost]``."""
    SWEEP = "sweep"
    """Nothing: it measures every point of ``[sweep]``, or tests each point of a space
    once (``protocol = "confirm"``)."""


class StudySpec(StudyTable):
    """A whole study file, made by ``hpo.study.file.load`` or ``validate``."""

    name: Annotated[str, AfterValidator(_check_name), tables.ASIDE]
    description: Annotated[str, tables.ASIDE] = ""
    tags: Annotated[tuple[_Tag, ...], tables.ASIDE] = ()
    """Words that ``hpo status --tag`` and the filter of the home page look for."""
    objective: str
    device: Annotated[str | None, tables.ASIDE] = None
    """Device whose values [fixed] and [variability] take where they have none: a name
    of `hpo guide`, or FILE.toml:NAME."""
    folder: Annotated[str | None, tables.ASIDE] = None
    """Absolute folder of the script, if the objective is a function."""
    arguments: tuple[str, ...] | None = None
    """Arguments of the script, if the objective is a function."""
    directions: tuple[Literal["minimize", "maximize"], ...] | None = None
    """Direction of each value, if the objective is a function, imported or
    ask-and-tell."""
    metrics: tuple[tables.Label, ...] | None = None
    """Name of each value, if the objective is a function, imported or
    ask-and-tell."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    protocol: Protocol = Protocol.VALIDATION
    budget: tables.Budget
    task: dict[str, Any] = Field(default_factory=dict)
    fixed: Values = Field(default_factory=dict)
    variability: Annotated[
        dict[str, ParamValue] | None, BeforeValidator(_empty_is_none)
    ] = None
    """Hardware that networks are scored on; the objective's own model has its keys."""
    space: dict[str, Dimension] = Field(default_factory=dict)
    sweep: SweepTable | None = None
    """Points to measure, in place of a space and a sampler."""
    sampler: tables.Sampler = tables.Sampler()
    pruner: tables.Pruner = tables.Pruner()
    stop: tables.Stop | None = None
    confirm: Annotated[tables.Confirm | None, BeforeValidator(_false_is_none)] = (
        tables.Confirm()
    )
    """``confirm = false``: the study is done when its search is."""
    warm_start: tables.WarmStart | None = None
    """Parameters of the first trials."""
    transfer: tables.Transfer | None = None
    """Earlier studies that the search learns from."""
    cost: tables.Cost | None = None
    constraints: Annotated[dict[str, float] | None, BeforeValidator(_empty_is_none)] = (
        None
    )
    """Upper bounds of costs, by name; a network that breaks one is never trained."""
    reported: tables.Reported | None = None
    figure: Annotated[tables.Figure | None, tables.ASIDE] = None
    require_same_numerics: Annotated[bool, tables.ASIDE] = False
    """Refuse workers that may round differently from the study's first trial: another
    type of CPU, other versions of numerical packages, another number of threads."""

    @cached_property
    def about(self) -> Description:
        """What is known of the objective without its class: given with a study of the
        database, else made from the class."""
        return describe(self.objective_impl, self.task_params)

    def attach(
        self, about: Description, found: Mapping[str, Dimension] | None = None
    ) -> None:
        """Take the description of the objective from the database, and the parameters
        that the trials of a function have ``found``."""
        vars(self)["about"] = about
        vars(self)["found"] = found or {}
        vars(self).pop("in_order", None)  # is made of them

    @cached_property
    def found(self) -> Mapping[str, Dimension]:
        """The parameters that the trials of a function have found so far."""
        return {}

    @property
    def is_function(self) -> bool:
        """Whether the objective is a function of a script."""
        return is_script(self.objective)

    @property
    def is_imported(self) -> bool:
        """Whether its trials come from a finished study of Optuna, without the code
        that made them."""
        return self.objective == IMPORTED

    @cached_property
    def defines_by_run(self) -> bool:
        """Whether no study file has its parameters: each trial brings its own, with
        their distributions, as in Optuna."""
        return self.is_function or self.is_imported

    @property
    def is_ask_and_tell(self) -> bool:
        """Whether somebody outside evaluates the trials: asks for parameters, and tells
        values."""
        return self.objective == ASK_AND_TELL

    @cached_property
    def has_class(self) -> bool:
        """Whether a class evaluates the trials: neither a function, nor Optuna
        elsewhere, nor somebody outside."""
        return not (self.defines_by_run or self.is_ask_and_tell)

    @property
    def script(self) -> Script:
        """The script with the function that is the objective."""
        folder = Path(self.folder or "")
        return Script.named(self.objective, folder, self.arguments or ())

    @property
    def several_values(self) -> bool:
        """Whether a function returns several values, or somebody tells several."""
        return len(self.directions or ()) > 1

    @property
    def further_values(self) -> list[str]:
        """Names of the values after the first, as costs: one to maximise as
        ``-NAME``."""
        names = []
        for name, sign in zip(self.metrics or (), self._signs, strict=True):
            names.append(name if sign > 0 else f"-{name}")
        return names[1:]

    @property
    def _signs(self) -> list[float]:
        """The sign of each value of a function as it is stored: -1 of one to maximise,
        but for the first."""
        signs = []
        for place, direction in enumerate(self.directions or ()):
            signs.append(-1.0 if place and direction == "maximize" else 1.0)
        return signs

    def change_signs(self, values: Sequence[float]) -> list[float]:
        """Return values of a function as they are stored, or stored ones as it gave
        them."""
        return [sign * value for sign, value in zip(self._signs, values, strict=True)]

    @cached_property
    def objective_impl(self) -> Objective[Any, Any]:
        """The class that ``objective`` names: to train, to check parameters, to compute
        costs, to show networks. All else reads ``about``.

        Raises:
            LookupError: it cannot be imported here.
        """
        return objectives.load(self.objective)

    @cached_property
    def task_params(self) -> TaskParams:
        """The validated ``[task]`` table, by the objective's class; without one, its
        first task."""
        model = self.objective_impl.tasks[self.task_name]
        return model(**{"name": self.task_name, **self.task})

    @property
    def task_name(self) -> str:
        """The name in ``[task]``; without one, that of the objective's first task."""
        return str(self.task.get("name", next(iter(self.objective_impl.tasks))))

    def reaches(self, score: float, least: float) -> bool:
        """Return whether a score is as good as another one, or better."""
        return self.sign * score >= self.sign * least

    def differs(self, score: float, claimed: float) -> bool:
        """Return whether a score of the same networks is another result than the
        claimed one."""
        unit = 1.0 if self.is_accuracy else 2.0 * abs(claimed)
        return abs(score - claimed) > LARGEST_GAP * unit + 1e-9

    @property
    def hardware(self) -> BaseModel | None:
        """The validated ``[variability]`` table, by the objective's class; None without
        one."""
        model = self.objective_impl.variability
        if model is None or self.variability is None:
            return None
        return model(**self.variability)

    @property
    def maximize(self) -> bool:
        """Whether a larger score is better."""
        return self.about.direction == "maximize"

    @property
    def sign(self) -> float:
        """The sign that makes a larger score a better one."""
        return 1.0 if self.maximize else -1.0

    def params(
        self, suggested: Mapping[str, ParamValue], *, epochs: int | None = None
    ) -> ObjectiveParams:
        """Return the objective's parameters of a trial, by its class, from their
        ``values``."""
        return self.objective_impl.Params(**self.values(suggested, epochs=epochs))

    def all_values(
        self, suggested: Mapping[str, ParamValue], *, epochs: int | None = None
    ) -> dict[str, Any]:
        """Return ``values``, and the defaults of all other parameters."""
        return {**self.about.defaults, **self.values(suggested, epochs=epochs)}

    def values(
        self, suggested: Mapping[str, ParamValue], *, epochs: int | None = None
    ) -> dict[str, Any]:
        """Return fixed and suggested values, epochs and, as a table of its own,
        variability.

        Suggested values of single layers become one list for each parameter.
        """
        epochs = epochs or self.planned_epochs
        values: dict[str, Any] = {**self.fixed, **suggested, "epochs": epochs}
        if self.budget.score_every is not None:
            values["score_every"] = self.budget.score_every
        table = dict(self.variability or {})
        for name in [name for name in values if name.startswith(VARIABILITY)]:
            table[name.removeprefix(VARIABILITY)] = values.pop(name)
        defaults = self.about.defaults
        values = join_layers(
            values, values.get(LAYERS, defaults.get(LAYERS, 1)), defaults
        )
        if table:
            values["variability"] = table
        return values

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        """Searched dimensions by name; one per layer of a parameter with ``per_layer``;
        of a function those that its trials have found."""
        if self.defines_by_run:
            return self.found
        return self._declared

    @cached_property
    def _declared(self) -> dict[str, Dimension]:
        by_layer = any(dimension.per_layer for dimension in self.space.values())
        if not by_layer:
            return dict(self.space)
        return expand_layers(self.space, self.depths)

    @cached_property
    def in_order(self) -> dict[str, Dimension]:
        """Dimensions in the order in which a trial gets their values."""
        return {
            name: self.dimensions[name] for name in order_dimensions(self.dimensions)
        }

    @property
    def is_conditional(self) -> bool:
        """Whether some trials lack a dimension."""
        return any(dimension.when for dimension in self.dimensions.values())

    def present(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the suggested values whose conditions hold; see
        ``dimensions.present``."""
        return present(self.in_order, params)

    def is_whole(self, params: Mapping[str, Any]) -> bool:
        """Return whether parameters lack none of the dimensions whose conditions they
        meet."""
        there = (n for n, own in self.in_order.items() if own.is_there(params))
        return all(name in params for name in there)

    def inside(self, name: str, value: ParamValue) -> ParamValue | None:
        """Return a value as the space has it: 1 as 1.0 of a float; None if it lies
        outside."""
        dimension = self.dimensions[name]
        inside = dimension.inside(value, whole=self.is_integer(name))
        if inside is None or dimension.choices:
            return inside
        return self.parameter(name).typed(inside)

    def in_space(self, values: Mapping[str, Any]) -> dict[str, ParamValue]:
        """Return the values that lie in the space, in its types.

        Values whose conditions the others do not meet are left out.
        """
        inside: dict[str, ParamValue] = {}
        for name, value in split_layers(values, self.dimensions).items():
            if name in self.dimensions:
                own = self.inside(name, value)
                if own is not None:
                    inside[name] = own
        present = self.present(inside)
        return {name: present[name] for name in inside if name in present}

    @property
    def warm_start_points(self) -> Sequence[Mapping[str, Any]]:
        """The points of ``[warm_start]``; empty without it, and until they are looked
        up."""
        if self.warm_start is None:
            return ()
        return self.warm_start.points or ()

    def warm_start_params(self, number: int) -> dict[str, ParamValue]:
        """Return the parameters that ``[warm_start]`` gives trial ``number``; {} if
        none."""
        points = self.warm_start_points
        if number >= len(points):
            return {}
        return self.in_space(points[number])

    @property
    def is_pinned(self) -> bool:
        """Whether all is known that the study takes from earlier ones."""
        lacks_points = self.warm_start is not None and self.warm_start.points is None
        lacks_trials = self.transfer is not None and self.transfer.sources is None
        return not (lacks_points or lacks_trials)

    @property
    def can_transfer(self) -> bool:
        """Whether the search can learn from the trials of earlier studies."""
        return self.sampler.name == "kriging-believer" and self.cost is None

    @property
    def sources(self) -> Sequence[tables.Source]:
        """What earlier studies have found; empty without ``[transfer]``, and until it
        is looked up."""
        if self.transfer is None:
            return ()
        return self.transfer.sources or ()

    @property
    def depths(self) -> list[int]:
        """Possible numbers of layers; 1 of objectives without this parameter."""
        default = self.about.defaults.get(LAYERS)
        depths: Sequence[Any] = [self.fixed.get(LAYERS, default)]
        if LAYERS in self.space:
            depths = self.space[LAYERS].grid
        return [int(depth) for depth in depths if isinstance(depth, int | float)] or [1]

    @property
    def reported_params(self) -> dict[str, Any]:
        """Parameters of ``[reported.params]``, by dimension."""
        if self.reported is None:
            return {}
        return split_layers(self.reported.params, self.dimensions)

    @property
    def varied(self) -> dict[str, ParamValue]:
        """Entries of ``[variability]``, by their names in a sweep."""
        entries = self.variability or {}
        return {f"{VARIABILITY}{name}": value for name, value in entries.items()}

    @property
    def searchable(self) -> list[str]:
        """Names that are valid in ``[space]`` and ``[fixed]``, in the order of the
        objective."""
        return [
            name
            for name, parameter in self.about.parameters.items()
            if name not in BUDGETED and not parameter.is_table
        ]

    @property
    def sweepable(self) -> list[str]:
        """Names that are valid in a curve of a sweep: those of variability, too."""
        names = self.searchable
        if self.about.hardware is not None:
            for name, parameter in self.about.hardware.parameters.items():
                if parameter.is_number:
                    names.append(f"{VARIABILITY}{name}")
        return names

    def parameter(self, name: str) -> Parameter:
        """Return the schema of the parameter that a dimension belongs to."""
        own = split(name)[0]
        hardware = self.about.hardware
        if hardware is not None and own.startswith(VARIABILITY):
            return hardware.parameters[own.removeprefix(VARIABILITY)]
        return self.about.parameters[own]

    @property
    def costs(self) -> tuple[str, ...]:
        """Names of the costs in ``[cost]``, in that order; empty without it."""
        if not self.has_class:
            return tuple(self.further_values)
        if self.cost is None:
            return ()
        return self.cost.name

    @property
    def asks_costs(self) -> bool:
        """Whether costs are needed before training."""
        needed = self.pruner.prunes or self.sampler.name == "kriging-believer"
        return bool(self.constraints or (self.costs and needed))

    def named_costs(self, costs: Sequence[float]) -> dict[str, float]:
        """Return costs by name; empty where there are none."""
        if not costs:
            return {}
        return dict(zip(self.costs, costs, strict=True))

    @property
    def cost_columns(self) -> list[str]:
        """Columns of a trial's costs in tables: ``cost``, or ``cost.NAME`` of
        several."""
        if len(self.costs) == 1:
            return ["cost"]
        return [f"cost.{name}" for name in self.costs]

    @property
    def is_accuracy(self) -> bool:
        """Whether scores are accuracies, shown in per cent."""
        return self.about.metric == "accuracy"

    def cost_record(self, costs: Sequence[float]) -> float | dict[str, float] | None:
        """Return costs as records have them: a number of one, numbers by name of
        several.

        None where there are none: in a study without ``[cost]``, and of a trial that
        failed.
        """
        if len(costs) == 1:
            return costs[0]
        return self.named_costs(costs) or None

    def reported_costs(self, key: Literal["cost", "cost_here"]) -> dict[str, float]:
        """Return the costs under a key of ``[reported]``, by name."""
        value = getattr(self.reported, key, None) or {}
        if isinstance(value, int | float):
            return dict.fromkeys(self.costs, value)
        return {name: value[name] for name in self.costs if name in value}

    @property
    def fresh_seeds(self) -> int | None:
        """Number of fresh seeds of a confirmed trial, on all splits; None without a
        confirmation."""
        return None if self.confirm is None else self.confirm.networks

    @property
    def ranks_by_mean(self) -> bool:
        """Whether trials are ranked by their posterior means, instead of scores.

        ``LIST_STUDIES`` and ``MAY_CONFIRM_OTHERS`` of ``ledger.statements`` repeat this
        rule in SQL.
        """
        if self.confirm is None:
            return self.is_imported and not self.costs
        return self.confirm.by in ("posterior_mean", "both")

    @property
    def planned_epochs(self) -> int:
        """Epochs of each network of a trial, unless the trial ends early."""
        return self.budget.epochs

    @property
    def confirm_epochs(self) -> int:
        """Epochs of a confirmation training."""
        return (self.confirm and self.confirm.epochs) or self.planned_epochs

    def stored(self) -> dict[str, Any]:
        """Return the JSON form for database, report and hash; ``file.restore`` inverts
        it."""
        tree = self.model_dump(mode="json", exclude_none=True)
        for name in ("require_same_numerics", "tags"):
            if not tree[name]:
                tree.pop(name)
        if self.sweep is not None:
            for table in ("space", "sampler", "pruner"):
                tree.pop(table)
        if self.confirm is None:
            tree["confirm"] = False
            return tree
        if self.confirm.splits == 1:
            tree["confirm"].pop("splits")
        if self.confirm.tolerances:
            tree["confirm"].pop("tolerances")
        return tree

    def essential(self) -> dict[str, Any]:
        """Return the stored form without words, figures and paths, on which no trial
        depends."""
        tree: dict[str, Any] = hashing.keep_essential(self, self.stored())
        for place in self.about.task.places:
            tree["task"].pop(place, None)
        if self.about.hardware is not None and self.variability is not None:
            for place in self.about.hardware.places:
                tree["variability"].pop(place, None)
        return tree

    @cached_property
    def hash(self) -> str:
        """16 hex digits over everything that the trials depend on.

        The number of trials is left out, too (a longer study begins with the shorter
        one); 1 and 1.0 are the same.
        """
        tree = self.essential()
        tree["budget"].pop("trials")
        return hashing.digest(tree)

    def differences(self, other: StudySpec) -> list[str]:
        """Return the dotted keys in which two specs differ, except words; see
        ``essential``."""
        mine = hashing.flatten(self.essential())
        theirs = hashing.flatten(other.essential())
        keys = sorted(mine.keys() | theirs.keys())
        return [key for key in keys if mine.get(key) != theirs.get(key)]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Parameters that differ between trials, in the order of the study file."""
        if self.sweep is None:
            return tuple(self.dimensions)
        return self.sweep.parameters

    @property
    def drawn(self) -> tables.Figure | None:
        """The figure that the file declares; without one, a sweep is drawn as curves,
        and a grid of two parameters as a map."""
        if self.figure is not None:
            return self.figure
        if self.sweep is not None:
            return tables.Figure(kind="curves")
        if len(self.mapped) == 2:
            return tables.Figure(kind="map")
        return None

    @property
    def mapped(self) -> list[str]:
        """The parameters of a grid that have several values; none of other studies."""
        if not self.sampler.is_grid:
            return []
        return [name for name, values in self.grid.items() if len(values) > 1]

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves of a sweep; empty of other studies."""
        if self.sweep is None:
            return ()
        return self.sweep.curves

    @property
    def swept(self) -> tuple[str, ...]:
        """Parameters that the curves of a sweep vary; empty of other studies."""
        return tuple(
            dict.fromkeys(name for curve in self.curves for name in curve.names)
        )

    @property
    def integrates(self) -> bool:
        """Whether the objective integrates a differential equation."""
        return "integrator" in self.about.parameters

    @property
    def kind(self) -> StudyKind:
        """The kind of study, which ``Result.of`` makes a result of."""
        if self.sweep is not None or self.protocol == Protocol.CONFIRM:
            return StudyKind.SWEEP
        if self.costs:
            return StudyKind.FRONT
        return StudyKind.SEARCH

    @property
    def selects(self) -> bool:
        """Whether it selects a best trial."""
        return self.kind != StudyKind.SWEEP

    def is_integer(self, name: str) -> bool:
        """Return whether a dimension is a range of whole numbers, by the objective's
        own annotation."""
        return self.dimensions[name].choices is None and self.parameter(name).whole

    @property
    def has_points(self) -> bool:
        """Whether the study file gives every point: those of a sweep, or of a grid."""
        return self.sweep is not None or self.sampler.is_grid

    @cached_property
    def grid(self) -> Mapping[str, Sequence[ParamValue]]:
        """The values of each parameter of a grid, in the order of ``in_order``."""
        points = self.sampler.options.get("points")
        axes: dict[str, list[ParamValue]] = {}
        for name, dimension in self.in_order.items():
            count = grid.count(points, name)
            values = grid.values(dimension, count, whole=self.is_integer(name))
            axes[name] = [self.parameter(name).typed(value) for value in values]
        return axes

    def point(self, number: int) -> dict[str, ParamValue]:
        """Return the parameters of trial ``number`` of a sweep or a grid."""
        if self.sweep is None:
            return grid.point(self.grid, number)
        params = self.sweep.points[number][2]
        return {
            name: self.parameter(name).typed(params[name]) for name in self.parameters
        }

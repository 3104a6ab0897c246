"""Studies of a function of a script: ``objective = "train.py:objective"``.

Such a study has no ``[space]``: the function names its parameters as it runs, as in
Optuna. The first of its values is the score; further ones are costs, of which as little
as possible is best: a value to maximise is stored with the other sign, as ``-NAME``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpo.contract import Cost, Description, Parameter, Protocol
from hpo.errors import expected
from hpo.script import Source, is_script
from hpo.study.dimensions import Dimension
from hpo.study.messages import Broken
from hpo.study.spec import StudySpec
from hpo.study.tables import Budget
from hpo.study.trials import Suggestion

SAMPLERS = ("tpe", "kriging-believer", "random", "gp", "cmaes", "nsga2")
"""Samplers that need not know the space before a trial runs."""
_ONE_VALUE = ("cmaes", "kriging-believer")
"""Those of one value."""
_NOT_HERE = (
    "constraints",
    "cost",
    "fixed",
    "space",
    "sweep",
    "task",
    "transfer",
    "variability",
    "warm_start",
)
"""Tables that a function has no use for: it names its parameters and reads its data
itself."""


TRIALS = 100
"""Trials of a function without another budget."""


def tables_of(objective: str) -> dict[str, Any]:
    """Return the tables of a study of this function without a study file."""
    return {
        "name": default_name(objective),
        "objective": Path(objective).name,
        "budget": {"trials": TRIALS},
    }


def default_name(objective: str) -> str:
    """Return the name of a study of this function.

    Examples:
        >>> default_name("code/train.py:objective"), default_name("train.py:score")
        ('train', 'train-score')
    """
    path, _, function = objective.partition(":")
    name = Path(path).stem
    if function in ("", "objective"):
        return name
    return f"{name}-{function}"


def locate(tree: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Return the tables with the script's folder apart from its name, and with the
    directions that the script gives to ``create_study``.

    Args:
        tree: tables of a study file.
        base: directory in which a relative path begins.

    Raises:
        SpecError: the script gives directions that cannot be read, and the tables have
            none.
    """
    objective = tree.get("objective")
    if not isinstance(objective, str) or not is_script(objective):
        return dict(tree)
    path, _, function = objective.partition(":")
    script = (base / path).absolute()
    name = f"{script.name}:{function or 'objective'}"
    located = {**tree, "objective": name, "folder": str(script.parent)}
    if "directions" not in tree:
        found = Source(script).read_directions()
        if found is not None:
            located["directions"] = found
    return located


def complete(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of a function's study with what follows from the others."""
    metrics = tree.get("metrics")
    usual = "minimize"
    if _listed(metrics) == ["accuracy"]:
        usual = "maximize"
    directions = _listed(tree.get("directions", usual))
    if metrics is None:
        metrics = [f"value_{place}" for place in range(len(directions))]
        if len(directions) == 1:
            metrics = ["value"]
    done = {**tree, "directions": directions, "metrics": _listed(metrics)}
    budget = tree.get("budget", {})
    if isinstance(budget, Mapping):
        done["budget"] = {"seeds": 1, **budget}
    return done


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def check(spec: StudySpec) -> Broken:
    """Check what a function needs, and refuse what it has no use for."""
    for table in _NOT_HERE:
        if getattr(spec, table):
            yield (
                f"{table}: not allowed with a function, which names its parameters and"
                " reads its data itself. Remove it."
            )
    yield from _check_lengths(spec)
    yield from check_values(spec)
    if spec.sampler.name not in SAMPLERS and not spec.sampler.is_own:
        rule = "a sampler that needs no [space]"
        valid = f"Valid: {', '.join(SAMPLERS)}."
        yield expected("sampler.name", rule, repr(spec.sampler.name), valid)
    if spec.several_values and spec.pruner.name != "none":
        yield "pruner: not allowed with several values. Remove it."
    name = spec.sampler.name
    if spec.several_values and name in _ONE_VALUE:
        yield f"sampler.name: {name} takes one value alone. Use nsga2 or tpe."


def check_values(spec: StudySpec) -> Broken:
    """Check that each value has a name and a direction."""
    names = spec.metrics or ()
    if len(names) != len(spec.directions or ()):
        rule = "as many names as directions"
        got = f"{', '.join(names)} for {len(spec.directions or ())}"
        yield expected("metrics", rule, got, "Give one name for each value.")
    if len(set(names)) < len(names):
        yield "metrics: the same name twice. Rename one."


def _check_lengths(spec: StudySpec) -> Broken:
    """Refuse keys that say how long networks train."""
    given = {
        "budget.clock": spec.budget.clock is not None,
        "budget.epochs": spec.budget.epochs != Budget.model_fields["epochs"].default,
        "budget.score_every": spec.budget.score_every is not None,
        "confirm.epochs": spec.confirm is not None and spec.confirm.epochs is not None,
        "confirm.splits": spec.confirm is not None and spec.confirm.splits > 1,
        "stop.max_epochs": spec.stop is not None and spec.stop.max_epochs is not None,
        "protocol": spec.protocol != Protocol.VALIDATION,
    }
    for key, is_given in given.items():
        if is_given:
            yield (
                f"{key}: not allowed with a function, which decides itself how it"
                " trains and scores. Remove it."
            )


def check_enqueued(params: Mapping[str, Any], where: str) -> Broken:
    """Check the parameters that somebody enqueues: any name that the function may ask
    for."""
    for name, value in params.items():
        if not isinstance(value, bool | int | float | str):
            rule = "a number, a text, true or false"
            yield expected(f"{where}.{name}", rule, repr(value), "Give one value.")


def describe(spec: StudySpec, found: Mapping[str, Dimension] = {}) -> Description:
    """Return what is known of a function: by its study file, and by the parameters that
    its trials have found."""
    metric, *_ = spec.metrics or ("value",)
    direction, *_ = spec.directions or ("minimize",)
    costs = {}
    for name in spec.further_values:
        costs[name] = Cost(description="a further value of the trial")
    parameters = {}
    for name, dimension in found.items():
        ends = (dimension.low, dimension.high)
        is_number = dimension.choices is None
        parameters[name] = Parameter(
            is_number=is_number,
            whole=is_number and all(isinstance(end, int) for end in ends),
        )
    return Description(
        metric=metric,
        direction=direction,
        system="function",
        costs=costs,
        parameters=parameters,
        defines_by_run=True,
    )


def find_space(suggestions: Iterable[Suggestion]) -> dict[str, Dimension]:
    """Return the parameters that trials have asked for, in the order of their first
    use.

    The range of each is the widest; one that has a single value is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for suggestion in suggestions:
        for name, text in suggestion.distributions.items():
            own = _read_dimension(text)
            found[name] = _widen(found.get(name, own), own)
    dimensions = {}
    for name, fields in found.items():
        if fields.get("low") != fields.get("high") or fields.get("choices"):
            dimensions[name] = Dimension(**fields)
    return dimensions


def _read_dimension(text: str) -> dict[str, Any]:
    """Return a distribution in Optuna's JSON as the fields of a dimension."""
    attributes: dict[str, Any] = json.loads(text)["attributes"]
    if "choices" in attributes:
        return {"choices": tuple(dict.fromkeys(attributes["choices"]))}
    fields = {key: attributes[key] for key in ("low", "high", "log")}
    step = attributes.get("step")
    is_whole = isinstance(fields["low"], int)
    if step is not None and not fields["log"] and not (is_whole and step == 1):
        fields["step"] = step
    return fields


def _widen(known: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dimension that holds both, without a step if they differ; of different
    kinds the second."""
    if known == own or ("choices" in known) != ("choices" in own):
        return dict(own)
    if "choices" in own:
        return {"choices": tuple(dict.fromkeys([*known["choices"], *own["choices"]]))}
    low = min(known["low"], own["low"])
    high = max(known["high"], own["high"])
    return {"low": low, "high": high, "log": known["log"] and own["log"]}


def with_common_space(spec: StudySpec, suggestions: Iterable[Suggestion]) -> StudySpec:
    """Return a function's study whose space are the parameters that all these trials
    have asked for, with one distribution each; empty without a trial."""
    common: dict[str, str] | None = None
    for suggestion in suggestions:
        texts = suggestion.distributions
        if common is None:
            common = dict(texts)
        alike = common.items() & texts.items()
        if len(alike) < len(common):
            common = {
                name: text for name, text in common.items() if (name, text) in alike
            }
    own = spec.model_copy()
    attach(own, [Suggestion.of_function({}, common or {}, {})])
    return own


def attach(spec: StudySpec, suggestions: Sequence[Suggestion]) -> None:
    """Let a study's views know the parameters that its trials have found."""
    space = find_space(suggestions)
    spec.attach(describe(spec, space), space)

"""Spaces of which some is searched layer by layer, or in some trials alone."""

from __future__ import annotations

from typing import Any

from hpo.study import file
from hpo.study.spec import StudySpec

LAYER = {"low": 1.0, "high": 10.0, "log": True, "per_layer": True}


def spec(**tables: Any) -> StudySpec:
    raw: dict[str, Any] = {
        "name": "s",
        "objective": "spintronic",
        "budget": {"trials": 8},
    }
    return file.validate({**raw, **tables}, where="s.toml")


def deep() -> StudySpec:
    """A search over depth, too."""
    return spec(
        fixed={"density_inter": 0.4},
        space={
            "layers": {"low": 1, "high": 3},
            "tau_ns": LAYER,
            "density_inter": {"low": 0.1, "high": 1.0, "when": {"layers": [2, 3]}},
        },
    )


def test_a_parameter_of_layers_is_a_dimension_each_and_a_list_for_the_network() -> None:
    own = spec(
        fixed={"layers": 2, "width": [8, 4]},
        space={"tau_ns": LAYER, "lr0": {"low": 0.1, "high": 1.0}},
    )
    assert own.parameters == ("tau_ns.0", "tau_ns.1", "lr0")
    assert not own.is_conditional
    params = own.params({"tau_ns.0": 2.0, "tau_ns.1": 3.0, "lr0": 0.5})
    assert (params.tau_ns, params.width, params.lr0) == ((2.0, 3.0), (8, 4), 0.5)
    assert not own.is_integer("tau_ns.1")
    widths = spec(space={"width": {"low": 4, "high": 8, "per_layer": True}})
    assert widths.is_integer("width.2")


def test_layers_that_a_network_lacks_are_not_searched() -> None:
    own = deep()
    assert list(own.in_order) == [
        "layers",
        "tau_ns.0",
        "density_inter",
        "tau_ns.1",
        "tau_ns.2",
    ]
    taus = {f"tau_ns.{k}": k + 1.0 for k in range(3)}
    found = own.present({"layers": 2, **taus, "density_inter": 0.9})
    assert found == {
        "layers": 2,
        "tau_ns.0": 1.0,
        "tau_ns.1": 2.0,
        "density_inter": 0.9,
    }
    params = own.params(found)
    assert (params.layers, params.tau_ns, params.density_inter) == (2, (1.0, 2.0), 0.9)
    found = own.present({"layers": 1, **taus, "density_inter": 0.9})
    assert found == {"layers": 1, "tau_ns.0": 1.0}
    assert own.params(found).density_inter == 0.4


def test_a_condition_on_the_depth_is_kept_beside_that_of_a_layer() -> None:
    own = spec(
        space={
            "layers": {"choices": [1, 2, 4]},
            "tau_ns": {**LAYER, "when": {"layers": [1, 4], "readout": "y"}},
            "readout": {"choices": ["x", "y"]},
        }
    )
    conditions = {
        name: dict(d.when or {}) for name, d in own.dimensions.items() if d.when
    }
    four = {"layers": (4,), "readout": ("y",)}
    assert conditions == {
        "tau_ns.0": {**four, "layers": (1, 4)},
        **{f"tau_ns.{k}": four for k in (1, 2, 3)},
    }
    assert own.params({"layers": 2, "readout": "y"}).tau_ns == 14.12


def test_a_child_of_what_a_trial_lacks_is_not_there() -> None:
    own = spec(
        space={
            "readout": {"choices": ["x", "y"]},
            "batch_size": {"low": 20, "high": 40, "when": {"readout": "y"}},
            "s": {"low": 0.1, "high": 1.0, "when": {"batch_size": [30, 31]}},
        },
    )
    whole = {"readout": "y", "batch_size": 30, "s": 0.5}
    assert own.present(whole) == whole
    assert own.present({**whole, "batch_size": 20}) == {
        "readout": "y",
        "batch_size": 20,
    }
    assert own.present({**whole, "readout": "x"}) == {"readout": "x"}


def test_a_parameter_that_is_not_searched_by_layer_is_hashed_as_ever() -> None:
    plain = spec(space={"tau_ns": {**LAYER, "per_layer": False}})
    assert (
        plain.hash
        == spec(space={"tau_ns": {"low": 1.0, "high": 10.0, "log": True}}).hash
    )
    assert deep().hash != plain.hash


def test_lists_and_single_numbers_are_points_of_layers() -> None:
    own = spec(
        space={"tau_ns": LAYER},
        warm_start={
            "points": [{"tau_ns": [1, 2.0, 3.0]}, {"tau_ns": 4}, {"tau_ns.1": 5.0}]
        },
        reported={"score": 0.9, "source": "s", "params": {"tau_ns": 5.0, "s": 0.5}},
    )
    assert [own.warm_start_params(k) for k in range(4)] == [
        {"tau_ns.0": 1.0, "tau_ns.1": 2.0, "tau_ns.2": 3.0},
        {"tau_ns.0": 4.0, "tau_ns.1": 4.0, "tau_ns.2": 4.0},
        {"tau_ns.1": 5.0},
        {},
    ]
    assert own.reported_params == {
        "tau_ns.0": 5.0,
        "tau_ns.1": 5.0,
        "tau_ns.2": 5.0,
        "s": 0.5,
    }


def test_a_sweep_varies_one_layer() -> None:
    own = spec(
        budget={},
        fixed={"tau_ns": [2.0, 3.0, 4.0]},
        sweep={"curves": [{"label": "the last", "x": "tau_ns.2", "values": [1, 9]}]},
    )
    assert [own.params(own.point(k)).tau_ns for k in range(2)] == [
        (2.0, 3.0, 1.0),
        (2.0, 3.0, 9.0),
    ]
    assert own.point(0) == {"tau_ns.2": 1.0}

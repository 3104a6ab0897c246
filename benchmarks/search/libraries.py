"""The searches of other libraries, used as their users would: each a function of an
account.

One network after the other, without pending trials; the library's random state comes
from the study's seed, and its best network is the one that it would return to its user
at that moment.
"""

from __future__ import annotations

import logging
import math
import random
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.account import Account

LEAST = 5
"""Epochs of a network at the lowest fidelity."""


# --- one network per trial ---


def _optuna(account: Account, sampler: Callable[..., Any], pruner: Any) -> None:
    """A study of Optuna: an objective that reports every epoch, and ``optimize``."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", sampler=sampler(seed=account.seed), pruner=pruner
    )

    def objective(trial: Any) -> float:
        params = {}
        for name, own in account.ranges.items():
            is_int = isinstance(own, optuna.distributions.IntDistribution)
            suggest = trial.suggest_int if is_int else trial.suggest_float
            params[name] = suggest(name, own.low, own.high, log=own.log)

        def report(epoch: int, accuracy: float) -> None:
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        return account.train(params, report=report)

    def note(study: Any, trial: Any) -> None:
        if trial.state == optuna.trial.TrialState.COMPLETE:
            account.best(study.best_params, study.best_value)
        if not account.goes_on:
            study.stop()

    study.optimize(objective, callbacks=[note])


def random_points(account: Account) -> None:
    """Random points."""
    import optuna

    _optuna(account, optuna.samplers.RandomSampler, optuna.pruners.NopPruner())


def optuna_tpe(account: Account) -> None:
    """Plain Optuna: ``create_study`` with its defaults."""
    import optuna

    _optuna(account, optuna.samplers.TPESampler, optuna.pruners.MedianPruner())


def optuna_gp(account: Account) -> None:
    """Optuna's Gaussian process, without a pruner.

    It learns from complete trials alone: where a network was pruned, it would go again.
    """
    import optuna

    _optuna(account, optuna.samplers.GPSampler, optuna.pruners.NopPruner())


def botorch(account: Account) -> None:
    """BoTorch: a Gaussian process and qLogNoisyEI, one network at a time.

    It has as many points of a Sobol sequence first as Ax, and the rule by which Ax
    tells the best of noisy trials: the highest posterior mean.
    """
    import torch
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from botorch.utils.sampling import manual_seed
    from gpytorch.mlls import ExactMarginalLogLikelihood

    d = len(account.ranges)
    first = max(5, min(account.budget // account.whole // 5, 2 * d))
    bounds = torch.stack([torch.zeros(d), torch.ones(d)]).double()
    sobol: Any = torch.quasirandom.SobolEngine(d, scramble=True, seed=account.seed)  # type: ignore[no-untyped-call]
    tried: list[dict[str, float | int]] = []
    model: Any = None
    points = torch.empty(0, d).double()
    scores = torch.empty(0, 1).double()
    with manual_seed(account.seed):
        while account.goes_on:
            if model is None:
                unit = sobol.draw(1)[0]
            else:
                improvement = qLogNoisyExpectedImprovement(model, points)
                best, _ = optimize_acqf(
                    improvement, bounds, 1, num_restarts=10, raw_samples=512
                )
                unit = best[0]
            tried.append(account.params(unit.numpy()))
            score = torch.tensor([[account.train(tried[-1])]]).double()
            points = torch.cat(
                [points, torch.from_numpy(account.unit(tried[-1]))[None]]
            )
            scores = torch.cat([scores, score])
            means = scores
            if len(tried) >= first:
                model = SingleTaskGP(points, scores)
                fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
                with torch.no_grad():
                    means = model.posterior(points).mean
            account.best(tried[int(means.argmax())], float(means.max()))


def ax(account: Account) -> None:
    """Ax's client as its documentation has it: one trial after the other, its own
    choice of model.

    Its best trial is that of ``get_best_parameterization``, by its model where there is
    one.
    """
    from ax.api.client import Client
    from ax.api.configs import RangeParameterConfig
    from ax.utils.common.logger import set_ax_logger_levels
    from botorch.utils.sampling import manual_seed
    from optuna.distributions import IntDistribution

    set_ax_logger_levels(logging.CRITICAL)
    search = Client(random_seed=account.seed % 2**31)
    search.configure_experiment(
        parameters=[
            RangeParameterConfig(
                name=name,
                parameter_type="int" if isinstance(own, IntDistribution) else "float",
                bounds=(own.low, own.high),
                scaling="log" if own.log else "linear",
            )
            for name, own in account.ranges.items()
        ]
    )
    search.configure_optimization(objective="accuracy")
    with manual_seed(account.seed):
        while account.goes_on:
            for index, params in search.get_next_trials(max_trials=1).items():
                score = account.train(params)
                search.complete_trial(trial_index=index, raw_data={"accuracy": score})
            best, predicted, *_ = search.get_best_parameterization()
            mean = predicted["accuracy"]
            account.best(best, float(mean[0] if isinstance(mean, tuple) else mean))


# --- networks of several fidelities, or several seeds ---


def smac_racing(account: Account) -> None:
    """SMAC3: a random forest, and a race in which the best get up to four seeds."""
    from smac import HyperparameterOptimizationFacade as Facade

    _smac(
        account,
        Facade,
        lambda scenario: Facade.get_intensifier(scenario, max_config_calls=4),
        n_trials=math.ceil(account.budget / account.whole),
    )


def smac_fidelities(account: Account) -> None:
    """SMAC3: a random forest and Hyperband over the epochs, which are trained anew.

    By default it trains all networks from one seed.
    """
    from smac import MultiFidelityFacade as Facade

    _smac(
        account,
        Facade,
        Facade.get_intensifier,
        n_trials=math.ceil(account.budget / LEAST),
        min_budget=LEAST,
        max_budget=account.whole,
    )


def _smac(
    account: Account, facade: Any, intensifier: Callable[[Any], Any], **options: Any
) -> None:
    """A search of SMAC, which decides on the seeds."""
    from ConfigSpace import ConfigurationSpace, Float, Integer
    from optuna.distributions import IntDistribution
    from smac import Scenario
    from smac.runhistory.dataclasses import TrialValue

    space = ConfigurationSpace(seed=account.seed)
    for name, own in account.ranges.items():
        kind = Integer if isinstance(own, IntDistribution) else Float
        space.add(kind(name, (own.low, own.high), log=own.log))
    logging.getLogger("smac").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            space,
            deterministic=False,
            seed=account.seed,
            output_directory=Path(folder),
            **options,
        )
        search = facade(
            scenario,
            lambda config, seed, budget=None: 0.0,  # by ask and tell instead
            intensifier=intensifier(scenario),
            logging_level=False,
            overwrite=True,
        )
        while account.goes_on:
            info = search.ask()
            epochs = None if info.budget is None else round(info.budget)
            score = account.train(dict(info.config), epochs=epochs, seed=info.seed)
            search.tell(info, TrialValue(cost=1.0 - score))
            best = search.intensifier.get_incumbent()
            if best is not None:
                account.best(dict(best), 1.0 - search.runhistory.get_cost(best))


def dehb(account: Account) -> None:
    """DEHB: differential evolution and Hyperband over the epochs, which are trained
    anew.

    It searches the unit cube: it cannot read spaces of today's ConfigSpace.
    """
    from dehb import DEHB
    from loguru import logger

    logger.remove()
    logger.disable("dehb")
    with tempfile.TemporaryDirectory() as folder:
        search = DEHB(
            dimensions=len(account.ranges),
            configspace=False,
            min_fidelity=LEAST,
            max_fidelity=account.whole,
            seed=account.seed,
            n_workers=1,
            save_freq="end",
            output_path=folder,
        )
        while account.goes_on:
            info = search.ask()
            epochs = round(info["fidelity"])
            score = account.train(account.params(info["config"]), epochs=epochs)
            search.tell(info, {"fitness": 1.0 - score, "cost": float(epochs)})
            best, cost = search.get_incumbents()
            account.best(account.params(best), 1.0 - float(cost))
        logger.remove()  # the file in the folder


def syne_tune_asha(account: Account) -> None:
    """Syne Tune: random points and asynchronous successive halving."""
    from syne_tune.optimizer.baselines import ASHA

    _syne_tune(account, ASHA)


def syne_tune_bohb(account: Account) -> None:
    """Syne Tune: kernel density estimates and asynchronous successive halving."""
    from syne_tune.optimizer.baselines import BOHB

    _syne_tune(account, BOHB)


class _StoppedError(Exception):
    """The scheduler stops a trial."""


def _syne_tune(account: Account, scheduler: Callable[..., Any]) -> None:
    """A scheduler of Syne Tune by hand, as its tuner with one worker, which would wait
    for clocks.

    Its successive halving stops networks and never pauses them. Its best trial is that
    with the highest accuracy after any epoch.
    """
    from optuna.distributions import IntDistribution
    from syne_tune import config_space
    from syne_tune.backend.trial_status import Trial
    from syne_tune.optimizer.scheduler import SchedulerDecision

    logging.getLogger("syne_tune").setLevel(logging.CRITICAL)
    kinds = {
        (False, False): config_space.uniform,
        (False, True): config_space.loguniform,
        (True, False): config_space.randint,
        (True, True): config_space.lograndint,
    }
    search = scheduler(
        {
            name: kinds[isinstance(own, IntDistribution), own.log](own.low, own.high)
            for name, own in account.ranges.items()
        },
        metric="accuracy",
        time_attr="epoch",
        max_t=account.whole,
        grace_period=LEAST,
        do_minimize=False,
        random_seed=account.seed,
    )
    np.random.seed(account.seed)  # noqa: NPY002 - its density estimates draw from there
    highest = -math.inf
    best = {}
    while account.goes_on:
        params = search.suggest().config
        trial = Trial(
            trial_id=account.networks, config=params, creation_time=datetime.now()
        )
        search.on_trial_add(trial)
        curve: list[float] = []

        def report(
            epoch: int, accuracy: float, trial: Any = trial, curve: Any = curve
        ) -> None:
            curve.append(accuracy)
            result = {"accuracy": accuracy, "epoch": epoch}
            if search.on_trial_result(trial, result) == SchedulerDecision.STOP:
                search.on_trial_remove(trial)
                raise _StoppedError

        with suppress(_StoppedError):
            account.train(params, report=report)
        if max(curve) > highest:
            highest = max(curve)
            best = params
        account.best(best, highest)


def neps(account: Account) -> None:
    """NePS without priors: Hyperband over the epochs, as it chooses itself."""
    _neps(account, {})


def neps_priors(account: Account) -> None:
    """NePS with the study file's reported point as its priors: PriorBand, as it chooses
    itself."""
    if account.spec.reported is None:
        raise ValueError("the study file has no [reported] point to be a prior")
    _neps(account, account.spec.reported.params)


def _neps(account: Account, prior: Mapping[str, Any]) -> None:
    """A bracket optimiser of NePS by ask and tell; a network that goes on is trained
    anew.

    Its best network is the one of the highest accuracy, at any fidelity.
    """
    import torch
    from neps import AskAndTell, HPOFloat, HPOInteger, SearchSpace, algorithms
    from optuna.distributions import IntDistribution

    logging.getLogger("neps").setLevel(logging.CRITICAL)
    space: dict[str, Any] = {
        "epochs": HPOInteger(lower=LEAST, upper=account.whole, is_fidelity=True)
    }
    for name, own in account.ranges.items():
        kind = HPOInteger if isinstance(own, IntDistribution) else HPOFloat
        known = (
            {"prior": prior[name], "prior_confidence": "medium"}
            if name in prior
            else {}
        )
        space[name] = kind(lower=own.low, upper=own.high, log=own.log, **known)
    random.seed(account.seed)
    np.random.seed(account.seed % 2**32)  # noqa: NPY002 - it draws from all three
    torch.manual_seed(account.seed)
    choose = algorithms.priorband if prior else algorithms.hyperband
    search = AskAndTell(choose(SearchSpace(space)))
    highest = -math.inf
    while account.goes_on:
        trial = search.ask()
        params = dict(trial.config)
        epochs = int(params.pop("epochs"))
        score = account.train(params, epochs=epochs)
        search.tell(trial, {"objective_to_minimize": 1.0 - score})
        if score > highest:
            highest = score
            account.best(params, score)

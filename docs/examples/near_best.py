"""A sampler that tries what lies between the best trial and a random one (no costs)."""

from optuna.samplers import BaseSampler, RandomSampler


class NearBest(BaseSampler):
    def __init__(self, seed, reach=0.3):
        self.random, self.reach = RandomSampler(seed), reach

    def infer_relative_search_space(self, study, trial):
        return {}  # every parameter is drawn on its own

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, name, distribution):
        drawn = self.random.sample_independent(study, trial, name, distribution)
        if (
            trial.number % 3 == 0
            or not study.best_trials
            or not hasattr(distribution, "low")
        ):
            return drawn
        best = study.best_trial.params[name]
        if step := distribution.step:
            return best + type(best)(round(self.reach * (drawn - best) / step)) * step
        return type(best)(best + self.reach * (drawn - best))

"""A sampler that tries what lies between the best trial and a random one, mostly near the best."""

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
        if trial.number % 3 == 0 or isinstance(drawn, str) or not study.best_trials:
            return drawn
        best = study.best_trial.params[name]
        return type(best)(best + self.reach * (drawn - best))

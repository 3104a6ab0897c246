"""Search the depth, the widths and the optimiser of a perceptron in PyTorch."""

import optuna
import torch
from sklearn.datasets import load_digits
from torch import nn

EPOCHS = 8
N_TRAIN = 800


def define_model(trial):
    layers = []
    n_inputs = 64
    for i in range(trial.suggest_int("n_layers", 1, 3)):
        n_units = trial.suggest_int(f"n_units_l{i}", 8, 64, log=True)
        layers += [nn.Linear(n_inputs, n_units), nn.ReLU()]
        layers.append(nn.Dropout(trial.suggest_float(f"dropout_l{i}", 0.0, 0.5)))
        n_inputs = n_units
    return nn.Sequential(*layers, nn.Linear(n_inputs, 10))


def load_data():
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x / 16, dtype=torch.float32)
    y = torch.tensor(y)
    order = torch.randperm(len(x))
    return x[order], y[order]


def objective(trial):
    model = define_model(trial)
    name = trial.suggest_categorical("optimizer", ["Adam", "RMSprop", "SGD"])
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=lr)
    x, y = load_data()
    accuracy = 0.0
    for epoch in range(EPOCHS):
        model.train()
        for batch in torch.randperm(N_TRAIN).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            found = model(x[N_TRAIN:]).argmax(dim=1)
        accuracy = (found == y[N_TRAIN:]).float().mean().item()
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=30)
    print(study.best_trial.value, study.best_trial.params)

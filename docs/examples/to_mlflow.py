"""Every finished trial of a study as a run of MLflow."""

import mlflow

import hpo

study = hpo.load("seqdigits")
mlflow.set_tracking_uri("sqlite:///mlflow.db")  # or http://localhost:5000
mlflow.set_experiment(study.name)
trials, curves = study.trials, study.curves
search = curves[curves["phase"] == "search"].groupby(["trial", "epoch"])["score"].mean()
for number, trial in trials[trials["finished_at"].notna()].iterrows():
    with mlflow.start_run(run_name=f"trial {number}"):
        mlflow.log_params({name: trial[name] for name in study.best_trial.params})
        mlflow.set_tags(
            {"state": trial["state"], "ended": trial["ended"] or "at its end"}
        )
        if trial["score"] == trial["score"]:  # which a failed trial has not
            mlflow.log_metric("score", trial["score"])
        for epoch, score in search.get(number, {}).items():
            mlflow.log_metric("epoch_score", score, step=epoch)
if study.confirmed is not None:
    with mlflow.start_run(run_name="confirmed"):
        mlflow.log_params(study.confirmed.params)
        mlflow.log_metrics({"mean": study.confirmed.mean, "std": study.confirmed.std})

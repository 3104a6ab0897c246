"""Study files: each `NAME.toml` here is a study that `--study NAME` finds."""

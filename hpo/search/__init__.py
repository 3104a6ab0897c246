"""What a trial gets, when it ends, and what is expected of it: pure functions of a
study."""

__all__ = [
    "clock",
    "constraints",
    "history",
    "importance",
    "kriging_believer",
    "memory",
    "options",
    "optuna_adapter",
    "pruners",
    "pruning",
    "space",
    "stopping",
    "suggest",
    "surrogate",
    "transfer",
    "uncompiled",
]

"""Pages of HTML: the report, the dashboard's pages, searches side by side."""

__all__ = [
    "fits",
    "metrics",
    "overview",
    "page",
    "replication",
    "report",
    "side_by_side",
    "traces",
    "trial",
    "trials",
]

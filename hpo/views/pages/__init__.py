"""Pages of HTML: the report, the dashboard's pages, searches side by side."""

__all__ = ["metrics", "overview", "page", "report", "side_by_side", "traces"]

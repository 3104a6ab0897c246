"""Interactive figures, by plotly: one a file, for the report and as a card of the dashboard."""

__all__ = ["cards", "style"]

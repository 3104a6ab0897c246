"""Interactive figures, by plotly."""

"""All studies of a database at one moment: the dashboard's home page, and Prometheus' text."""

__all__ = ["metrics", "page"]

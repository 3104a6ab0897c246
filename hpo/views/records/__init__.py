"""Studies for programs: records of plain values."""

__all__ = ["json_records", "kept_network", "plan"]

"""How long a lease lasts; light to import, since every command line may set another."""

from __future__ import annotations

LEASE_S = 30.0
"""A worker that is silent for so long is given up, and its trial goes on elsewhere."""

"""Which search strategy finds a good network soonest: measured on a table of real trainings."""

"""Compare search strategies by the time to a good network, on a table of real
trainings."""

"""Every figure and number of arXiv:2408.02835, measured: what is of the paper, and not
of `hpo`."""

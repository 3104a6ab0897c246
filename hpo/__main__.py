"""``python -m hpo`` is ``hpo``."""

import sys

from hpo.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""Which workers refuse a study, why, and what to do: a worker's own words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from hpo.errors import one_line
from hpo.study.trials import WorkerInfo, refusing
from hpo.views.sentences.formatting import plural

LONGEST = 600


def refusals(study: str, workers: Iterable[WorkerInfo]) -> list[str]:
    """Return a sentence for each reason for which living workers refuse a study.

    ``refused by 2 workers on node-1: the source has changed since its trials began. To
    go on: hpo resume ...``
    """
    by_reason: dict[str, list[WorkerInfo]] = defaultdict(list)
    for worker, why in refusing(study, workers).items():
        by_reason[why.removeprefix(f"study {study!r}: ")].append(worker)
    lines = []
    for why, refusers in by_reason.items():
        hosts = ", ".join(sorted({worker.host for worker in refusers}))
        many = plural(len(refusers), "worker")
        lines.append(f"refused by {many} on {hosts}: {one_line(why, LONGEST)}")
    return lines

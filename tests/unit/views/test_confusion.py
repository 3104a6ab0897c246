"""The confusion matrix: as a file, and what the report says of it."""

from __future__ import annotations

import io

import pytest
import snapshots

from hpo.views.numbers import confusion
from hpo.views.numbers.confusion import Confusion
from hpo.views.report import page

FOUND = Confusion(classes=["a", "b"], read_as=["a", "b", ""], counts=[[8, 2, 0], [0, 9, 1]])


def test_a_file_says_what_was_counted() -> None:
    stream = io.StringIO()
    confusion.write_csv(FOUND, stream)
    assert confusion.read_csv(stream.getvalue().encode()) == FOUND
    assert (FOUND.right, FOUND.total) == (17, 20)
    assert FOUND.errors(1) == [("a", "b", 2)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"class,read_as,series\n",
        b"class,read_as,series\na,a,x\n",
        b"class,read_as,series\na,a,-1\n",
        b"class,read_as,series\na,b,1\n",
        b"class,read_as,series\na,a,1\na,b,0\nb,a,0\n",
        b"class,read_as,series\na,a,1\na,a,2\n",
        b"a,b,c\na,a,1\n",
    ],
)
def test_a_file_of_somebody_else_is_no_matrix(data: bytes) -> None:
    assert confusion.read_csv(data) is None


def test_the_report_says_it_in_words() -> None:
    study = snapshots.realistic(snapshots.spec())
    said = page.html(study, kept=FOUND)
    assert "17 of 20 series rightly (85.0 %)" in said
    assert "most often wrong: a as b (2), b as nothing finite (1)." in said
    assert "confusion-plot" not in page.html(study)

"""The options of ``hpo trace`` and of ``hpo export --network``: what is refused before any work."""

from __future__ import annotations

import pytest

from hpo.cli import main, trace


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trace", "name one study: hpo trace STUDY, or hpo trace --study STUDY"),
        ("trace s --study s", "name one study: hpo trace STUDY, or hpo trace --study STUDY"),
        ("trace s --images 1,b", "argument --images: numbers as in 0,1,5 are needed, not '1,b'"),
        ("trace s --images=-1", "argument --images: must be at least 0, but got -1"),
        ("trace s --neurons some", "argument --neurons: numbers as in 0,1,5 are needed, not"),
        ("trace s --images 1 --classes 2", "--classes: not allowed with argument --images"),
        ("trace s --per-class 2", "argument --per-class: goes with argument --classes"),
        ("trace s --member 0 --fresh-seed 1", "--fresh-seed: not allowed with argument --member"),
        ("trace s --fresh-seed 0", "argument --fresh-seed: must be at least 1, but got 0"),
        ("trace s --quantity z", "argument --quantity: invalid choice: 'z'"),
        ("export s --trial 1", "argument --trial: goes with argument --network"),
        ("export s --member 0", "argument --member: goes with argument --network"),
        ("export s --fresh-seed 1", "argument --fresh-seed: goes with argument --network"),
        ("export s --backup b.jsonl --curves", "--curves: not allowed with argument --backup"),
        ("export s --backup b.jsonl -o t.csv", "--output: not allowed with argument --backup"),
        ("export s --backup b.jsonl --network n", "--network: not allowed with argument --backup"),
        ("export s --network n --curves", "--curves: not allowed with argument --network"),
        ("export s --network n -o t.csv", "--output: not allowed with argument --network"),
        ("export s --network n --format csv", "--format: not allowed with argument --network"),
    ],
)
def test_a_mistyped_line_is_refused_in_words(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main.main(line.split())
    said = capsys.readouterr().err
    assert message in said
    assert f"hpo {line.split()[0]} --help shows every option, with examples" in said


def test_lists_are_written_with_commas() -> None:
    assert trace.numbers("0,1,5") == [0, 1, 5]
    assert trace.names("sine, square") == ["sine", "square"]
    assert trace.neurons("auto") == "auto"
    assert trace.neurons("3") == [3]

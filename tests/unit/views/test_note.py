"""The note of a study: what it says, that people's words stay, and that hostile ones are inert."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace

import pytest
import snapshots
from markdown_it import MarkdownIt
from markdown_it.token import Token

from hpo.ledger import optuna_notes
from hpo.study.file import validate
from hpo.study.snapshot import StudyState
from hpo.study.trials import Amendment, SlotState
from hpo.views import note as views_note
from hpo.views import verdict

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "https://evil.example www.evil.example mail@evil.example",
    "`` ` ``` ````",
    "a | b\n\n# heading\n\n- list\n\n    code\n\n---\n<script>alert(1)</script>",
    "*a* _b_ ~~c~~ [d]: https://evil.example \\",
    "&lt;img&gt; &#60;img src=x&#62; <https://evil.example>",
    "[a]: https://evil.example",
    "- a",
    "1. a",
    "2) a ) b",
    "+ a",
    "===",
    "---",
    "# a",
    "mailto:a@evil.example xmpp:a@evil.example",
    "![a][b] [b](x) !\\[a](b)",
]


def tokens(markdown: str) -> list[Token]:
    """As optuna-dashboard's renderer reads it: CommonMark, tables, bare addresses as links."""
    renderer = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    found: list[Token] = []
    for token in renderer.parse(markdown):
        found += [token, *(token.children or ())]
    return found


def kinds(markdown: str) -> set[str]:
    return {token.type for token in tokens(markdown)}


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_prose_is_one_paragraph_of_text_and_code(text: str) -> None:
    assert kinds(views_note.prose(text)) <= {
        "paragraph_open",
        "paragraph_close",
        "inline",
        "text",
        "text_special",
        "code_inline",
    }
    shown = [
        t.content for t in tokens(views_note.prose(text)) if t.type.startswith(("text", "code"))
    ]
    assert "".join(shown).split() == text.split()
    in_code = " ".join(t.content for t in tokens(views_note.prose(text)) if t.type == "code_inline")
    bare = " ".join(t.content for t in tokens(views_note.prose(text)) if t.type == "text")
    assert not re.search(r"https?://|www\.|@", bare)
    assert in_code.count("evil.example") == text.count("evil.example")


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_code_is_code(text: str) -> None:
    (code,) = [
        t for t in tokens(f"before {views_note.code(text)} after") if t.type == "code_inline"
    ]
    assert code.content.replace("¦", "|").split() == text.split()
    row = [t for t in tokens(f"| a | b |\n| - | - |\n| {views_note.code(text)} | x |")]
    assert [t.content for t in row if t.type == "inline"][-1] == "x"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_anywhere_in_a_study_stay_words(text: str) -> None:
    reported = {"score": 0.9, "source": text, "params": {"colour": text}}
    space = {"colour": {"choices": (text, "red")}, text: {"low": 0.0, "high": 1.0}}
    spec = snapshots.unchecked(
        description=text, reported=reported, space=space, fixed={text: text}, task={text: text}
    )
    for state in StudyState:
        snapshot = snapshots.snapshot(spec, state=state, reason=f"{text}\n{text}")
        found = kinds(views_note.text(snapshot))
        assert not found & {"html_inline", "html_block", "link_open", "image", "heading_open", "hr"}
        assert not found & {"em_open", "s_open", "bullet_list_open", "code_block"}
        plain = [t.content for t in tokens(views_note.text(snapshot)) if t.type == "text"]
        assert not re.search(r"https?://|www\.|@", " ".join(plain))


def test_it_says_what_is_searched_and_what_it_is_held_against() -> None:
    note = views_note.text(snapshots.snapshot(snapshots.spec()))
    assert "A toy reads digits." in note
    assert "**State:** open; workers go on with it as long as there are any." in note
    assert "**Result:** none yet." in note
    assert "**Reported:** 89.83 ± 2.91 % (arXiv:2408.02835), n = 10." in note
    assert "60 trials of objective `toy_objective:ToyObjective`, 3 networks each, 30 epochs" in note
    assert "The search never sees the test part of the data" in note
    assert "The best 2 configurations are then trained from 10 fresh seeds" in note
    assert "| `rate_per_ns` | 1/ns | 0.001 – 10, logarithmic | `0.07` |" in note
    assert "| `colour` |  | `red`, `green` | `red` |" in note
    assert "| `k` |  | 1 – 8 | – |" in note
    assert "`hpo launch toy-study.toml`" in note
    assert "`hpo report toy-study`" in note


def test_the_study_file_in_it_is_the_study() -> None:
    spec = snapshots.spec()
    (block,) = [t for t in tokens(views_note.text(snapshots.snapshot(spec))) if t.type == "fence"]
    assert validate(tomllib.loads(block.content), where="note") == spec


def test_an_amended_study_runs_again_to_the_same_only_up_to_its_amendment() -> None:
    change = Amendment(
        what="exclude",
        since=9,
        at="2025-03-01T10:00:00+00:00",
        host="host-a",
        state=SlotState.COMPLETE,
        score=0.9,
        steps=(),
        attrs={},
        message=None,
    )
    search = (
        snapshots.slot(0, SlotState.COMPLETE),
        snapshots.slot(1, SlotState.EXCLUDED, amendments=(change,)),
    )
    plain = views_note.text(snapshots.snapshot(snapshots.spec(), search[:1]))
    assert "anywhere, with the same result: save" in plain
    amended = views_note.text(snapshots.snapshot(snapshots.spec(), search))
    how = "which was enqueued, retried or excluded here"
    assert f"with the same result up to trial 1, {how}: save" in amended


def test_a_search_that_ended_itself_says_why() -> None:
    search = tuple(snapshots.slot(i, SlotState.COMPLETE) for i in range(4))
    why = "stop.target = 0.9: trial 0 has reached 0.9"
    done = {"state": StudyState.DONE, "search_end": 4, "search_end_reason": why}
    note = views_note.text(snapshots.snapshot(snapshots.spec(), search, **done))
    assert f"**State:** finished, all 4 trials settled ({why}), 360 epochs of training." in note


def test_a_confirmed_result_is_told_with_its_n() -> None:
    snapshot = snapshots.realistic(snapshots.spec())
    first = snapshot.confirmations[0]
    note = views_note.text(snapshot).replace("\\", "")
    assert "**State:** finished, all 60 trials settled, 4,711 epochs of training." in note
    claim = f"(the search had claimed {100 * first.search_score:.1f} %)"
    gap = verdict.gap_text(snapshot.spec, first.mean)
    mean = f"**{100 * first.mean:.1f} ± {100 * first.std:.1f} %** on n = 10 fresh seeds, {gap}"
    assert f"confirmed, trial {first.source}: accuracy {mean} {claim}; trial " in note


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (StudyState.STOPPED, "stopped (hpo stop, on here); goes on after `hpo resume toy-study`."),
        (StudyState.FAILED, "failed (hpo stop, on here); what to do: `hpo status toy-study`."),
    ],
)
def test_a_study_that_stands_still_says_why_and_what_to_do(state: StudyState, words: str) -> None:
    note = views_note.text(
        snapshots.snapshot(snapshots.spec(), state=state, reason="hpo stop, on here")
    )
    assert words in note.replace("\\", "")


def test_it_does_not_change_while_trials_finish() -> None:
    spec = snapshots.spec()
    search = tuple(snapshots.slot(i, SlotState.COMPLETE) for i in range(60))
    fresh = tuple(snapshots.confirmation(0, i, 0.9) for i in range(10))
    empty = snapshots.snapshot(spec)
    assert views_note.text(empty) == views_note.text(replace(empty, search=search))
    assert views_note.text(empty) == views_note.text(
        replace(empty, search=search, confirm=fresh[:9])
    )
    assert views_note.text(empty) != views_note.text(replace(empty, search=search, confirm=fresh))


def test_a_sweep_and_a_measured_set_are_not_called_a_search() -> None:
    sweep = validate(
        {
            "name": "s",
            "objective": snapshots.SPEC["objective"],
            "sweep": {"curves": [{"label": "a", "x": "x", "values": [0.1, 0.4]}]},
        },
        where="test",
    )
    note = views_note.text(snapshots.snapshot(sweep))
    assert "**Sweep:** 2 trials of objective" in note
    assert "| `x` |  | see the figure |" in note
    measured = snapshots.spec(
        protocol="confirm", sampler={"name": "random"}, confirm=None, pruner=None
    )
    note = views_note.text(snapshots.snapshot(measured))
    assert "**Measurement:** 60 trials of objective" in note
    assert "**Result:** not before it is finished." in note


# --- ours and theirs ------------------------------------------------------------------------------


def test_what_people_wrote_stays_below_ours() -> None:
    first = optuna_notes.with_ours("ours", "Ask Ann.\n\nShe knows.")
    assert first == f"ours\n\n---\n\n{optuna_notes.MARKER}\n\nAsk Ann.\n\nShe knows.\n"
    second = optuna_notes.with_ours("newer", first)
    assert optuna_notes.of_people(second) == "Ask Ann.\n\nShe knows."
    assert second.startswith("newer\n")
    assert "ours" not in second
    assert optuna_notes.with_ours("newer", second) == second


def test_a_note_without_words_of_people_ends_with_the_marker() -> None:
    assert optuna_notes.with_ours("ours", "") == f"ours\n\n---\n\n{optuna_notes.MARKER}\n"
    assert optuna_notes.with_ours(
        "ours", optuna_notes.with_ours("older", "")
    ) == optuna_notes.with_ours("ours", "")


def test_rows_of_optuna_dashboard_become_one_of_the_next_version() -> None:
    attrs = {f"dashboard:note_str:{i}": json.dumps(f"{i},") for i in range(12)}
    attrs |= {"dashboard:note_ver": "7", "dashboard:3:note_str:0": '"of a trial"'}
    assert optuna_notes.read(attrs) == "0,1,2,3,4,5,6,7,8,9,10,11,"
    assert optuna_notes.written(attrs, "new") == {
        "dashboard:note_ver": "8",
        "dashboard:note_str:0": '"new"',
    }
    assert optuna_notes.written({}, "new")["dashboard:note_ver"] == "1"


def test_a_backup_carries_what_people_wrote() -> None:
    note = optuna_notes.written({}, optuna_notes.with_ours("ours", "Ask Ann."))
    assert optuna_notes.without_ours({**note, "a": "1"}) == {
        "a": "1",
        "dashboard:note_ver": "1",
        "dashboard:note_str:0": '"Ask Ann."',
    }
    assert (
        optuna_notes.without_ours(optuna_notes.written({}, optuna_notes.with_ours("ours", "")))
        == {}
    )

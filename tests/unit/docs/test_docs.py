"""README and documentation: links lead somewhere, examples are valid, what is shown can
be run."""

from __future__ import annotations

import ast
import io
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path

import pytest
from datasets import stand_in
from markdown_it import MarkdownIt
from markdown_it.token import Token
from stack import ROOT

from hpo import objectives
from hpo.config import SiteConfig
from hpo.ledger import schema
from hpo.ledger.statements import tables
from hpo.study.file import load as load_study

DOCS = ROOT / "docs"
sys.path.append(str(DOCS))

import commands  # noqa: E402
import prose  # noqa: E402
import reference  # noqa: E402
import study_file  # noqa: E402

PAGES = prose.pages()
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
SHELL = ("", "console", "sh")
PLACEHOLDERS = {"K": "1", "N": "1"}
SHOWN = {
    "docs/examples/bench.py": "docs/how-to/instrument.md",
    "docs/examples/bench.sh": "docs/how-to/instrument.md",
    "docs/examples/bench.toml": "docs/how-to/instrument.md",
    "docs/examples/conv.py": "docs/how-to/own-objective.md",
    "docs/examples/conv.toml": "docs/how-to/own-objective.md",
    "docs/examples/first.toml": "docs/tutorial/first-study.md",
    "docs/examples/near_best.py": "docs/reference/classes.md",
    "docs/examples/solve.py": "docs/reference/classes.md",
    "docs/examples/to_mlflow.py": "docs/reference/python.md",
    "studies/seqdigits.toml": "docs/reference/study-file.md",
}
"""Files that a page shows as a block."""
EACH_PAGE = pytest.mark.parametrize("name", NAMES)


@cache
def tokens(name: str) -> list[Token]:
    found = (
        MarkdownIt("commonmark").enable("table").parse((ROOT / name).read_text("utf-8"))
    )
    return [inner for token in found for inner in [token, *(token.children or [])]]


def blocks(name: str, *languages: str) -> list[str]:
    return [
        token.content
        for token in tokens(name)
        if token.type in ("fence", "code_block")
        if token.info.strip("{}").split(" ")[0] in languages
    ]


def targets(name: str) -> list[str]:
    found = [str(t.attrGet("href") or t.attrGet("src") or "") for t in tokens(name)]
    found += re.findall(
        r"^\.?.*?\[.+?\]: (\S+)$", (ROOT / name).read_text("utf-8"), re.MULTILINE
    )
    return [target for target in found if target and not re.match(r"[a-z]+:", target)]


def slugs(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def shown(name: str) -> Iterator[list[str]]:
    """The command lines of hpo in the blocks of a page, as lists of words."""
    for block in blocks(name, *SHELL):
        lines = block.replace("\\\n", " ").splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        for line in lines:
            if found := re.match(
                r"(?:[A-Z_]+=\S+ |\.venv/bin/)*((?:hpo|python -m hpo).*)", line
            ):
                first = re.split(r" [|&>] ?|;", found[1])[0]
                yield shlex.split(first.replace("…", "x"), comments=True)


def parse(words: list[str]) -> None:
    """Have the real parser read a command line.

    Raises:
        ValueError: it refuses it.
    """
    words = words[2:] if words[0] == "python" else words[1:]
    command, *rest = [PLACEHOLDERS.get(word, word) for word in words]
    if command == "hpo":  # python -m hpo COMMAND
        command, *rest = rest
    if "--help" in (command, *rest):
        return
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            commands.parser_of(command).parse_args(rest)
    except (SystemExit, LookupError) as refused:
        raise ValueError(f"{shlex.join(words)}: {refused} {said.getvalue()}") from None


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 90


def test_the_index_names_every_page() -> None:
    pages = {
        str(page.relative_to(DOCS))
        for page in PAGES
        if page.is_relative_to(DOCS)
        and page.parent.name != "records"
        and page.name not in ("index.md", "changelog.md")
    }
    assert pages <= set(targets("docs/index.md"))


def test_the_map_of_the_house_names_what_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rooms = "hpo|objectives|studies|tests|docs|benchmarks|chaos|deploy"
    named = re.findall(rf"(?<![\w/])((?:{rooms})/[\w/.-]*\w)", text)
    assert len(named) > 30
    assert not [path for path in named if not (ROOT / path).exists()]


@EACH_PAGE
def test_its_links_lead_to_files_and_headings(name: str) -> None:
    for target in targets(name):
        path, _, heading = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), target
        assert not heading or heading in slugs(page), target


def test_tests_that_records_name_exist() -> None:
    """As in ``test_cli::test_help_lists_every_command``, in a page or its table."""
    named: set[tuple[str, str]] = set()
    for path in (DOCS / "records").rglob("*.*"):
        if path.suffix in (".md", ".csv"):
            text = path.read_text("utf-8")
            named |= set(re.findall(r"\b(test_\w+)::(test_\w+)", text))
    assert len(named) > 60
    lacking = []
    for module, function in sorted(named):
        (path,) = (ROOT / "tests").rglob(f"{module}.py")
        if f"def {function}(" not in path.read_text("utf-8"):
            lacking.append(f"{module}::{function}")
    assert not lacking


def test_each_table_of_the_records_is_linked() -> None:
    linked = {
        target
        for name in NAMES
        for target in targets(name)
        if name.startswith("docs/records/")
    }
    tables = {f"tables/{path.name}" for path in (DOCS / "records/tables").iterdir()}
    assert tables
    assert tables <= linked


@EACH_PAGE
def test_its_pictures_are_small_and_its_sentences_short(name: str) -> None:
    pictures = [(ROOT / name).parent / target for target in targets(name)]
    assert not [
        p for p in pictures if p.suffix == ".svg" and p.stat().st_size > 100_000
    ]
    assert prose.too_long((ROOT / name).read_text("utf-8")) == []


def test_pages_and_records_have_no_more_words_than_they_may() -> None:
    assert prose.too_many() == []


@EACH_PAGE
def test_its_command_lines_are_understood(name: str) -> None:
    for words in shown(name):
        parse(words)


@EACH_PAGE
def test_commands_in_its_sentences_exist(name: str) -> None:
    for token in tokens(name):
        if token.type == "code_inline" and token.content.startswith("hpo "):
            command, *rest = token.content.split()[1:]
            if command in ("COMMAND", "--help"):
                continue
            assert command in commands.summaries(), token.content
            options = commands.parser_of(command)._option_string_actions
            assert {word for word in rest if word.startswith("--")} <= {*options}, (
                token.content
            )


def test_command_lines_are_found() -> None:
    assert sum(1 for name in NAMES for _ in shown(name)) > 50
    with pytest.raises(ValueError, match="--trails"):
        parse(["hpo", "resume", "seqdigits", "--trails", "3"])
    with pytest.raises(ValueError, match="unknown"):
        parse(["hpo", "show", "seqdigits"])


@EACH_PAGE
def test_its_python_is_python(name: str) -> None:
    """And where output follows as a block of text, it is what is printed."""
    text = (ROOT / name).read_text("utf-8")
    for block in blocks(name, "python"):
        ast.parse(block, name)
        if output := re.search(
            re.escape(block) + r"```\n\n```text\n(.*?)```", text, re.DOTALL
        ):
            with redirect_stdout(io.StringIO()) as printed:
                exec(block, {})
            assert printed.getvalue() == output[1]


@EACH_PAGE
def test_its_toml_is_right(name: str, tmp_path: Path) -> None:
    """And where it is a whole study of a built-in objective on built-in data, it
    loads."""
    for block in blocks(name, "toml"):
        tree = tomllib.loads(block)
        if tree.get("objective") in objectives.BUILT_IN and "path" not in tree.get(
            "task", {}
        ):
            (tmp_path / "study.toml").write_text(block, encoding="utf-8")
            load_study(str(tmp_path / "study.toml"))


def test_each_variant_is_the_study_whose_result_is_kept(tmp_path: Path) -> None:
    """A GRU's is not: its class has moved since."""
    loaded = {}
    script = (DOCS / "records/variants.sh").read_text("utf-8").replace("\\\n", " ")
    for line in script.splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        asked = commands.parser_of("launch").parse_args(words[2:])
        data = stand_in(asked.study, tmp_path)
        overrides = [*asked.overrides, *data]
        spec = load_study(asked.study, overrides=overrides, values={"name": asked.name})
        if not data and "gru" not in asked.name:
            loaded[asked.name] = spec.hash
    kept = {
        name: json.loads((DOCS / f"results/{name}.json").read_text())["spec_hash"]
        for name in loaded
        if name != "per-layer"
    }
    assert len(kept) == 6
    assert kept == {name: loaded[name] for name in kept}


@pytest.mark.parametrize("file", SHOWN)
def test_a_page_shows_a_file_as_it_is(file: str) -> None:
    language = {"py": "python"}.get(file.rpartition(".")[2], file.rpartition(".")[2])
    text = (ROOT / file).read_text("utf-8")
    assert text in blocks(SHOWN[file], language), f"{SHOWN[file]}: copy {file} there"


def test_pages_include_nothing_that_a_repository_does_not_show() -> None:
    assert [n for n in NAMES if "literalinclude" in (ROOT / n).read_text("utf-8")] == []


def test_the_examples_are_shown_and_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOCS / "examples")
    monkeypatch.syspath_prepend(DOCS / "examples")
    linked = {Path(target).name for name in NAMES for target in targets(name)}
    shown = {Path(file).name for file in SHOWN}
    examples = {file.name for file in (DOCS / "examples").glob("*.*")}
    assert examples <= linked | shown
    for file in (DOCS / "examples").glob("*.toml"):
        assert load_study(file.name).name == file.stem


def test_every_command_is_described() -> None:
    assert "| `--trial K` | number of the trial **Required.** |" in commands.page()


def test_every_key_of_a_study_file_is_described() -> None:
    text = "".join(page.read_text("utf-8") for page in reference.PAGES)
    marks = {one for one in reference.MARK.findall(text) if one.startswith("keys of ")}
    assert marks == {f"keys of {name}" for name in study_file.models()}
    for name in study_file.models():
        rows = study_file.keys(name).splitlines()[2:]
        assert rows
        assert not [row for row in rows if row.endswith("|  |")], name


@pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: page.name)
def test_generated_tables_are_those_of_the_code(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text == reference.fill(text), "run: python docs/reference.py"


def test_every_meaning_is_of_a_key() -> None:
    there = {
        f"{owner.__name__}.{key}"
        for model in study_file.models().values()
        for owner in model.__mro__
        for key in model.model_fields
    }
    assert set(study_file.MEANINGS) <= there


def test_every_table_and_column_is_described() -> None:
    page = (DOCS / "reference/stored-names.md").read_text("utf-8")
    for statement in tables.CREATE_ALL:
        table, _, columns = statement.partition(" (\n")
        if "CREATE TABLE" in table:
            name = table.partition("hpo_ledger.")[2]
            assert f"`{name}`" in page
            for column in re.findall(r"^  ([a-z_]+) ", columns, re.MULTILINE):
                assert f"`{column}`" in page, f"{name}.{column}"
    assert f"version {schema.SCHEMA_VERSION} of the schema" in page


def test_every_setting_is_described() -> None:
    page = (DOCS / "reference/settings.md").read_text("utf-8")
    for table, defaults in SiteConfig():
        rows = page.partition(f"### `[{table}]`")[2].partition("\n#")[0]
        described = re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)
        assert described == [*type(defaults).model_fields]

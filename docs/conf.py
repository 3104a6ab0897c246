"""Configuration of Sphinx for `make docs`. It fetches nothing from the network."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_ext"), str(ROOT)]

_project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
project = _project["name"]
release = version = _project["version"]
author = copyright = "the authors of hpo-dynamics"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "attribute_docs",
    "mathml",
]
exclude_patterns = ["_build", "examples"]

nb_execution_mode = "off"  # `python docs/notebook.py` runs it and keeps the output
suppress_warnings = [
    "mystnb.unknown_mime_type"
]  # figures of plotly: their pictures are shown

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
html_math_renderer = "mathml"
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = (
    True  # copy commands of a console block, not their output
)
myst_heading_anchors = 4  # links to headings are checked
myst_links_external_new_tab = False

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
add_module_names = False

nitpicky = True
# names of other projects: their inventories are on the network
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(gest_api|go|np|numpy|pd|torch|pydantic|annotated_types|typing|pathlib|collections|abc|enum)\..*",
    ),
    ("py:.*", r"(NDArray|BaseModel|LayeredNetwork|Path|Exception|\w+Error)"),
    ("py:.*", r"(.*\.)?[PT]"),  # type variables
    (
        "py:.*",
        r"Score|Share|Steps|Line|Number|Fact|Field|FieldInfo|NoneType|Ge|MinLen|MaxLen|Strict\w+|PydanticUndefined",
    ),  # bounds of an Outcome
    ("py:.*", r"hpo\.contract\.\w+\._\w+"),
    ("py:.*", r"hpo\.study\.(spec\.StudySpec|trials\.StudySnapshot)"),  # no entries
    (
        "py:.*",
        r"(bool|int|float|str|bytes|dict|list|tuple|type|object|None|Any)(\[.*)?",
    ),
    (
        "py:.*",
        r"(Mapping|Sequence|Callable|ClassVar|StrEnum|ABC|Generic|Literal)",
    ),
]

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"font-stack": "system-ui, sans-serif"},
    "dark_css_variables": {"font-stack": "system-ui, sans-serif"},
}
pygments_style = "default"
highlight_language = "none"  # blocks without a language are terminal output

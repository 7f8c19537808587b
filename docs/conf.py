"""Settings of the documentation site; 'make docs' builds it.

The sources are read from the root of the repository, so that a link from a page to a file, a
notebook or the runbook is the same on the site and on a forge.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import icemap  # noqa: E402

project = "icemap"
author = "The icemap developers"
project_copyright = "The icemap developers, Apache-2.0"
version = release = icemap.__version__
language = "en"
highlight_language = "text"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "api_names",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "notebooks/*.ipynb",
    "deploy/README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
# Only what the site is made of is walked through: runs and environments may be large.
exclude_patterns = [
    *(
        entry.name
        for entry in ROOT.iterdir()
        if entry.is_dir() and entry.name not in ("docs", "notebooks", "deploy", "examples")
    ),
    "docs/_root",
    "**/.ipynb_checkpoints",
]

# Notebooks are stored executed.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = f"icemap {release}"
html_static_path = ["_static"]
html_css_files = ["icemap.css"]
# What is copied to the root of the site: a page that leads to docs/.
html_extra_path = ["_root"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# These pages have no pages below them.
html_sidebars = {page: [] for page in ("docs/index", "docs/quickstart", "CHANGELOG", "SECURITY")}

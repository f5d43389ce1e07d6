"""Configuration of the documentation build: ``make docs``."""

import re

import fetalt2prep

project = "fetalt2prep"
author = copyright = "The fetalt2prep developers"
version = release = fetalt2prep.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = False
myst_heading_anchors = 3

autodoc_typehints = "description"
napoleon_google_docstring = False
napoleon_use_rtype = False
# Sections that workflow builders use besides NumPy's own.
napoleon_custom_sections = [("Inputs", "params_style"), ("Outputs", "params_style")]

html_theme = "furo"
html_title = f"fetalt2prep {release}"


def escape_shapes(_app, _what, _name, _obj, _options, lines):
    """Docstrings write shapes as ``(*grid)``; to reStructuredText a star begins emphasis."""
    for number, line in enumerate(lines):
        parts = line.split("``")  # every second part is literal text
        parts[::2] = [re.sub(r"([(\s])\*(?=[\w,])", r"\1\\*", part) for part in parts[::2]]
        lines[number] = "``".join(parts)


def setup(app):
    # Before napoleon, which adds stars of its own.
    app.connect("autodoc-process-docstring", escape_shapes, priority=400)

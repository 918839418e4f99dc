# SPDX-License-Identifier: MIT
"""Sphinx configuration. Build with `make docs`; a warning is an error."""

project = "Zero-Copy Labs"
author = "The Zero-Copy Labs authors"
copyright = "the Zero-Copy Labs authors"
extensions = []
html_theme = "furo"
html_title = "Zero-Copy Labs"
html_static_path = []
html_show_sphinx = False
html_copy_source = False
highlight_language = "none"
pygments_style = "friendly"
nitpicky = True
exclude_patterns = []

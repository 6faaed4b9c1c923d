"""Rendering of a design: Jinja templates and design-independent headers to one folder of C++."""

from edgemoe_gen.codegen.render import render_kit_readme, render_sources, write_files, write_sources

__all__ = ["render_kit_readme", "render_sources", "write_files", "write_sources"]

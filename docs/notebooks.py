"""Hook of MkDocs: runs the tutorials, percent scripts, and adds each as a page with its pictures and as a notebook."""

from __future__ import annotations

from pathlib import PurePosixPath
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor, ExecutePreprocessor
from traitlets.config import Config

PATIENCE = 600  # seconds for a cell, and for the start
TEMPLATE = """
{%- extends "markdown/index.md.j2" -%}
{%- block data_png -%}
![{{ cell.metadata.alt }}]({{ output.metadata.filenames["image/png"] | path2url }})
{%- endblock -%}
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds ``NAME.md`` with its pictures and ``NAME.ipynb`` for every ``tutorials/NAME.py``."""
    for script in [file for file in files if PurePosixPath(file.src_uri).match("tutorials/*.py")]:
        name = PurePosixPath(script.src_uri).stem
        notebook = executed(script.content_string)
        exporter = MarkdownExporter(raw_template=TEMPLATE)
        resources = {"unique_key": name, "output_files_dir": f"{name}_files"}
        text, resources = exporter.from_notebook_node(notebook, resources)
        text += f"\n\n[This page as a notebook]({name}.ipynb)\n"
        made = {f"{name}.md": text, f"{name}.ipynb": nbformat.writes(notebook), **resources["outputs"]}
        for path, content in made.items():
            files.append(File.generated(config, f"tutorials/{path}", content=content))
        files.remove(script)
    return files


def executed(text: str) -> nbformat.NotebookNode:
    """Returns a percent script as a notebook with the outputs of its cells, but for those that only install.

    Raises:
        CellExecutionError: A cell fails.
    """
    notebook = jupytext.reads(text, fmt="py:percent")
    with TemporaryDirectory() as folder:
        sockets = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})  # files, no ports
        limits = {"timeout": PATIENCE, "startup_timeout": PATIENCE}
        runner = ExecutePreprocessor(kernel_name="python3", config=sockets, **limits)
        runner.preprocess(notebook, {"metadata": {"path": folder}})
    for cell in notebook.cells:
        if cell.cell_type == "code":  # bars of progress are not for readers
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    CoalesceStreamsPreprocessor().preprocess(notebook, {})  # what a cell prints is one block
    return notebook

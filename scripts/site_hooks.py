"""What mkdocs does not do by itself: the page of the command line, links into the repository, nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<=\]\()(?:\.\./)+([^)#\s]+)")
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?https?:|<link[^>]*rel=\"?stylesheet[^>]*href=\"?https?:"
)


def on_files(files: Any, config: Any) -> Any:
    """Adds the reference of the command line, as typer writes it."""
    command = [
        sys.executable,
        "-m",
        "typer",
        "neatfool.cli",
        "utils",
        "docs",
        "--name",
        "neatfool",
        "--title",
        "Command line",
    ]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    files.append(File.generated(config, "reference/cli.md", content=written))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Turns links out of docs/ into links to the repository, if there is such a file."""
    folder = Path(page.file.abs_src_path or config.docs_dir).parent

    def repository(link: re.Match[str]) -> str:
        path = (folder / link[0]).resolve()
        if path.is_relative_to(config.docs_dir) or not page.file.abs_src_path:
            return link[0]
        if not path.exists():
            raise PluginError(f"{page.file.src_uri} links to {link[0]}, which does not exist.")
        return f"{config.repo_url}/blob/main/{path.relative_to(ROOT).as_posix()}"

    return _LINK.sub(repository, markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuses a page that loads something from another server."""
    if found := _LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from elsewhere: {found[0]}")
    return output

"""Site pages that are files of the repository outside docs/: the README, the model cards, and what contributors read.

The files keep the links that work when the repository is browsed; here they are turned into links of the site.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "segqc/models/voc/MODEL_CARD.md": "models/voc.md",
    "segqc/models/voc-fast/MODEL_CARD.md": "models/voc-fast.md",
}
"""Repository file to page of the site."""
FILES = ("CITATION.cff", "LICENSE", "NOTICE")
"""Files that pages link to and that are shown as they are."""
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file."""
    root = Path(config.config_file_path).parent
    for source, page in PAGES.items():
        text = (root / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    for name in FILES:
        files.append(File.generated(config, name, content=(root / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages."""
    here = page.file.src_uri
    source = next((path for path, uri in PAGES.items() if uri == here), f"docs/{here}")

    def relink(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        uri = PAGES.get(target, target.removeprefix("docs/") if target.startswith("docs/") else None)
        uri = target if target in FILES else uri
        if uri is None:
            return link[0]  # mkdocs warns of it
        return posixpath.relpath(uri, posixpath.dirname(here) or ".") + (link[2] or "")

    return _LINK.sub(relink, markdown)

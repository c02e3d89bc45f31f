"""MkDocs hook: build the documentation site from pages that lie where the repository has them.

MkDocs reads one folder, but the pages are spread: ``README.md`` is the start page, most are in ``experiments/docs``, and
one lies beside the pretrained networks. The hook gives every page its path in the repository, so that a relative link
works on a Git host and on the site alike. Pages may also link to other files of the repository, of which the site has a
copy. ``mkdocs.yml`` names this file under ``hooks``.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from pymdownx.slugs import slugify

ROOT = Path(__file__).resolve().parents[2]
DOCS = "experiments/docs"
PAGES = "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "evaluators/pretrained/card.md"
"""Pages outside of ``DOCS``."""
ASSETS = "*.png", "*.jpg", "*.svg", "*.css"
"""Files in ``DOCS`` that the site has even if no page links to them."""
LINK = re.compile(r"\]\(([^)\s#]+)")
ADDRESS = re.compile(r"[a-z]+:|//|/", re.IGNORECASE)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the anchors of headings as Git hosts make them."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the pages, and what they link to, at their paths in the repository.

    Parameters
    ----------
    files : Files
        Files of the documentation folder and of the theme.
    config : MkDocsConfig
        The configuration of the site.

    Returns
    -------
    Files
        The files of the theme, the pages, the images, and the files to which the pages link.
    """
    theme = [file for file in files if file.src_dir != config.docs_dir]
    folder = ROOT / DOCS
    pages = [*PAGES, *(path.relative_to(ROOT).as_posix() for path in sorted(folder.rglob("*.md")))]
    assets = [path.relative_to(ROOT).as_posix() for kind in ASSETS for path in sorted(folder.rglob(kind))]
    site = {path: _file(path, config) for path in [*pages, *assets] if (ROOT / path).is_file()}
    waiting = list(pages)
    while waiting:
        page = waiting.pop()
        for path in _linked(page):
            if path not in site:
                site[path] = _file(path, config, InclusionLevel.NOT_IN_NAV)
                waiting += [path] if path.endswith(".md") else []
    return Files([*theme, *site.values()])


def _file(path: str, config: MkDocsConfig, inclusion: InclusionLevel = InclusionLevel.INCLUDED) -> File:
    return File.generated(config, path, abs_src_path=str(ROOT / path), inclusion=inclusion)


def _linked(page: str) -> Iterator[str]:
    """Yield the paths of the repository's files to which a page links."""
    text = CODE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
        if not ADDRESS.match(link) and (ROOT / path).is_file():
            yield path

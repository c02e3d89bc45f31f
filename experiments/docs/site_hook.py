"""MkDocs hook: build the documentation site from pages that lie where the repository has them.

MkDocs reads one folder, but the pages are spread: ``README.md`` is the start page, most are in ``experiments/docs``, and
one lies beside the pretrained networks. The hook gives every page its path in the repository, so that a relative link
works on a Git host and on the site alike. Pages may also link to other files and to folders of the repository: the site
has a copy of such a file, and a page that lists such a folder. ``mkdocs.yml`` names this file under ``hooks``.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).resolve().parents[2]
DOCS = "experiments/docs"
PAGES = "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "evaluators/pretrained/card.md"
"""Pages outside of ``DOCS``."""
ASSETS = "*.png", "*.jpg", "*.svg", "*.css"
"""Files in ``DOCS`` that the site has even if no page links to them."""
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(?=[)\s])")
ADDRESS = re.compile(r"[a-z]+:|//|/", re.IGNORECASE)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LISTING = "listing.md"
"""Page of a folder that has no ``README.md``."""


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
        The files of the theme, the pages, the images, and the files and folders to which the pages link.
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
            target = _page_of(path) if (ROOT / path).is_dir() else path
            if target in site:
                continue
            if (ROOT / target).is_file():
                site[target] = _file(target, config, InclusionLevel.NOT_IN_NAV)
                waiting += [target] if target.endswith(".md") else []
            elif target.endswith(LISTING):
                site[target] = File.generated(config, target, content=_listing(path), inclusion=InclusionLevel.NOT_IN_NAV)
                for name in _names(path):
                    below = f"{path}/{name}"
                    site.setdefault(below, _file(below, config, InclusionLevel.NOT_IN_NAV))
    return Files([*theme, *site.values()])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to folders lead to the pages of these folders."""

    def lead(match: re.Match[str]) -> str:
        opening, link, anchor = match[1], match[2], match[3] or ""
        path = _resolve(page.file.src_uri, link)
        if path is None or not (ROOT / path).is_dir():
            return match[0]
        return f"{opening}{posixpath.relpath(_page_of(path), posixpath.dirname(page.file.src_uri))}{anchor}"

    return LINK.sub(lead, markdown)


def _file(path: str, config: MkDocsConfig, inclusion: InclusionLevel = InclusionLevel.INCLUDED) -> File:
    return File.generated(config, path, abs_src_path=str(ROOT / path), inclusion=inclusion)


def _resolve(page: str, link: str) -> str | None:
    """Path in the repository to which a link of a page leads; ``None`` for an address and for a path that does not exist."""
    if ADDRESS.match(link):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    return path if not path.startswith("..") and (ROOT / path).exists() else None


def _linked(page: str) -> Iterator[str]:
    """Paths in the repository to which a page links."""
    if (ROOT / page).is_file():
        text = CODE.sub("", (ROOT / page).read_text(encoding="utf-8"))
        for match in LINK.finditer(text):
            path = _resolve(page, match[2])
            if path is not None:
                yield path


def _page_of(folder: str) -> str:
    """Path of the page that stands for a folder."""
    readme = posixpath.join(folder, "README.md")
    return posixpath.normpath(readme if (ROOT / readme).is_file() else posixpath.join(folder, LISTING))


def _names(folder: str) -> list[str]:
    return sorted(path.name for path in (ROOT / folder).iterdir() if path.is_file() and not path.name.startswith("."))


def _listing(folder: str) -> str:
    """Markdown of a page that lists a folder's files."""
    return "\n".join([f"# {folder}", "", *(f"- [`{name}`]({name})" for name in _names(folder)), ""])

"""What MkDocs lacks: pages from files outside ``docs/``, and links to files of the repository.

Pages link as a repository host reads them: ``../slo.yaml``, ``../stack/README.md``. In the site
such a link leads to the file's page if it has one, else to the file in the repository
(``repo_url``); without that address it is the link's text alone. A link to a file that does not
exist is a warning, which ``mkdocs build --strict`` turns into a failure. MkDocs checks the links
within ``docs/`` by itself.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "stack/README.md": "reference/stack.md",
    "README.md": "index.md",
}
"""Files of the repository and the site's pages for them; index.md takes the README's place."""
_GENERATED: Final = {page: file for file, page in PAGES.items() if page != "index.md"}
_DOCS: Final = "docs/"
_CODE_OR_LINK: Final = re.compile(
    r"^(?P<fence>```+|~~~+).*?^(?P=fence)|(?P<ticks>`+).+?(?P=ticks)"
    r"|\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL | re.MULTILINE,
)
_ELSEWHERE: Final = re.compile(r"[a-z][a-z0-9+.-]*:|#|/", re.IGNORECASE)

log: Final = logging.getLogger("mkdocs.hooks.links")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of files outside ``docs/``."""
    for page, file in _GENERATED.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with its links to files of the repository made fit for the site."""
    source = page.file.src_uri
    repo_url = (config.repo_url or "").rstrip("/")

    def rewrite(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or _ELSEWHERE.match(target):
            return match[0]
        new = in_site(target, source, repo_url)
        if new is None:
            log.warning("%s links to %s, which the repository does not have", source, target)
            return match[0]
        return f"[{match['text']}]({new})" if new else match["text"]

    return _CODE_OR_LINK.sub(rewrite, markdown)


def in_site(target: str, source: str, repo_url: str) -> str | None:
    """Return where a relative link of a page leads in the site.

    Args:
        target: the link as written, relative to the file that holds it; may have a fragment.
        source: the page's path in the site, such as ``howto/ci.md``.
        repo_url: the repository's address, or an empty string.

    Returns:
        A link relative to the page, or into the repository; an empty string if there is no address
        to link to; None if the repository does not have the file.
    """
    path, _, fragment = target.partition("#")
    fragment = fragment and f"#{fragment}"
    holder = _GENERATED.get(source, _DOCS + source)
    file = posixpath.normpath(posixpath.join(posixpath.dirname(holder), path))
    page = PAGES.get(file)
    if page is None and file.startswith(_DOCS):
        page = file.removeprefix(_DOCS)
    if page is not None:
        return posixpath.relpath(page, posixpath.dirname(source) or ".") + fragment
    if file.startswith("..") or not (ROOT / file).exists():
        return None
    kind = "tree" if (ROOT / file).is_dir() else "blob"
    return f"{repo_url}/{kind}/main/{file}{fragment}" if repo_url else ""

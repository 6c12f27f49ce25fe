"""The documentation site: complete, without broken links, and without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import etter_obs
from docs.hooks import in_site

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "https://git.example.org/etter-obs"


def build(tree: Path, site: Path, *, repo_url: str = "") -> subprocess.CompletedProcess[str]:
    """Build the site of a tree as `make docs` does."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=tree,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "ETTER_OBS_REPO_URL": repo_url},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this tree, built with a repository's address."""
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder, repo_url=ADDRESS)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the documentation, beside links to everything else."""
    for path in ROOT.iterdir():
        if path.name not in {"docs", "site"}:
            (tmp_path / path.name).symlink_to(path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    """Scripts, styles, fonts and pictures all come from the site's own folder."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"', text)
        for link in re.findall(r"<link[^>]*>", text):
            if re.search(r'rel="(?:stylesheet|icon|preload|preconnect)"', link):
                loaded += re.findall(r'href="([^"]+)"', link)
        assert len(loaded) > 2
        assert [source for source in loaded if re.match(r"(?:https?:)?//", source)] == [], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style


def test_a_link_out_of_the_documentation_leads_into_the_repository(site: Path) -> None:
    """With an address a file's link is that of the repository's host."""
    page = (site / "explanation/late-spans.html").read_text(encoding="utf-8")
    assert f'href="{ADDRESS}/blob/main/otel-collector/tail-sampling.yaml"' in page


@pytest.mark.parametrize(
    ("target", "source", "leads_to"),
    [
        ("logs.md#secrets", "metrics.md", "logs.md#secrets"),
        ("../slo.md", "howto/ci.md", "../slo.md"),
        ("docs/logs.md#secrets", "project/security.md", "../logs.md#secrets"),
        ("../CONTRIBUTING.md", "index.md", "project/contributing.md"),
        ("../README.md#use-it", "project.md", "index.md#use-it"),
        ("../stack/README.md", "project.md", "reference/stack.md"),
        ("../slo.yaml", "slo.md", f"{ADDRESS}/blob/main/slo.yaml"),
        ("../../tests", "howto/ci.md", f"{ADDRESS}/tree/main/tests"),
        ("../absent.yaml", "slo.md", None),
        ("../../outside.md", "slo.md", None),
    ],
)
def test_each_link_has_one_place_in_the_site(
    target: str, source: str, leads_to: str | None
) -> None:
    """Pages link as the repository's host reads them; the site finds the same."""
    assert in_site(target, source, ADDRESS) == leads_to


def test_without_an_address_a_link_to_a_file_is_plain_text() -> None:
    """There is nowhere to link to, and that is no fault."""
    assert in_site("../slo.yaml", "slo.md", "") == ""


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("../absent.yaml", "links to ../absent.yaml"),
        ("absent.md", "absent.md"),
        ("logs.md#absent", "#absent"),
    ],
)
def test_a_broken_link_fails_the_build(
    tree: Path, tmp_path_factory: pytest.TempPathFactory, link: str, complaint: str
) -> None:
    """To a file, to a page or to a heading; the message names it."""
    page = tree / "docs/slo.md"
    page.write_text(f"{page.read_text(encoding='utf-8')}\n[broken]({link})\n", encoding="utf-8")
    done = build(tree, tmp_path_factory.mktemp("broken"))
    assert done.returncode == 1
    assert "slo.md" in done.stderr
    assert complaint in done.stderr


def test_the_api_reference_has_every_public_name() -> None:
    """`etter_obs.__all__`, no more and no less."""
    page = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    names = re.findall(r"^::: etter_obs\.(\w+)$", page, flags=re.MULTILINE)
    assert sorted(names) == sorted(etter_obs.__all__)

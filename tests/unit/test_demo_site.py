"""The demo's web site over real HTTP: pages, search, and nothing outside of its folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tasks.demo.play import MATERIAL
from tasks.demo.site import Site, serve_site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "outside").symlink_to(tmp_path / "secret.txt")
    return Path(shutil.copytree(MATERIAL / "site", tmp_path / "site"))


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    with serve_site(folder) as served:
        yield served


def get(site: Site, path: str) -> tuple[int, str]:
    connection = HTTPConnection(site.host, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8")
    connection.close()
    return answer.status, text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "Parts desk"),
        ("/parts/hx-4420.html", "show-stock"),
        ("/style.css", "border-collapse"),
        ("/search?q=hx-4420", 'href="/parts/hx-4420.html"'),
        ("/search?q=flange+bolt", "HX-4420 Hex flange bolt"),
        ("/search?q=no+such+thing", "Nothing was found"),
        ("/search?q=", "Nothing was found"),
        ("/search?q=%3Cscript%3E", "&lt;script&gt;"),
    ],
)
def test_a_page_is_served(site: Site, path: str, words: str) -> None:
    status, text = get(site, path)
    assert status == 200
    assert words in text


@pytest.mark.parametrize("path", ["/nothing.html", "/../secret.txt", "/%2e%2e/secret.txt"])
def test_what_is_not_in_the_folder_is_not_found(site: Site, path: str) -> None:
    status, text = get(site, path)
    assert status == 404
    assert "secret" not in text


def test_a_link_that_leads_outside_is_not_followed(site: Site, folder: Path) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    assert get(site, "/link.txt")[0] == 404


def test_the_search_counts_edited_and_removed_pages(site: Site, folder: Path) -> None:
    page = folder / "parts" / "hx-4435.html"
    page.write_text(page.read_text(encoding="utf-8").replace("Zinc", "Copper"), encoding="utf-8")
    assert "hx-4435" in get(site, "/search?q=copper")[1]
    page.unlink()
    assert "hx-4435" not in get(site, "/search?q=copper")[1]


def test_each_request_is_logged(site: Site) -> None:
    get(site, "/parts.html")
    assert any("/parts.html" in line and "200" in line for line in site.requests)

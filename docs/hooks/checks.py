"""What is wrong with a site that was built: each fault is a warning, and a warning fails the build.

missing    a public name of the library that no page of the reference has
dead       a link or picture that leads nowhere within the site
foreign    what a page would fetch from elsewhere when it is read
"""

import logging
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pages import documented

log = logging.getLogger("mkdocs.hooks.checks")
FETCHED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}


class Links(HTMLParser):
    """The names that a page has, and where it leads.

    Args:
        path: the page, a file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.names, self.links = set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keeps the id and the links of an element."""
        for key, value in attributes:
            if key in ("id", "name") and value:
                self.names.add(value)
            elif key in ("href", "src") and value:
                self.links.append((tag, key, value))


def read(site: Path) -> dict[Path, Links]:
    """Returns the pages of a site, but for that of lost readers, which has absolute links."""
    return {path: Links(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


def missing(pages: dict[Path, Links], names: list[tuple[str, str]]) -> Iterator[str]:
    """Yields the public names, of module and object, that the reference lacks."""
    there = set().union(*(page.names for path, page in pages.items() if path.parent.name == "reference"))
    for module, name in names:
        if not there & {f"{module}.{name}", f"{module}.{name}.{name}"}:
            yield f"{module}.{name} is public, and the reference does not have it"


def dead(pages: dict[Path, Links]) -> Iterator[str]:
    """Yields the links within the site whose file or place is not there."""
    for path, page in pages.items():
        for _, _, link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            places = pages[target].names if target in pages else None
            if not target.exists() or (url.fragment and places is not None and unquote(url.fragment) not in places):
                if not re.fullmatch("__[a-z_]+", url.fragment):  # what Material's own script makes
                    yield f"{path.name} leads to {link}, which is not there"


def foreign(pages: dict[Path, Links]) -> Iterator[str]:
    """Yields what would be fetched from another host."""
    for path, page in pages.items():
        for tag, key, link in page.links:
            if (tag, key) in FETCHED and urlsplit(link).netloc:
                yield f"{path.name} fetches {link}"


def on_post_build(config: Any) -> None:
    """Warns of each fault."""
    pages = read(Path(config.site_dir).resolve())
    for fault in (*missing(pages, documented()), *dead(pages), *foreign(pages)):
        log.warning(fault)

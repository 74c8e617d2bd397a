"""A report's page taken apart, and what must hold for each of them."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from move37.core.events import Event
from move37.insights.report import Others, write_report

VOID = {"meta", "br", "link", "img", "hr", "input", "base"}
LOADING = {"src", "srcset", "data", "action", "background", "poster", "xlink:href", "href"}


class Page(HTMLParser):
    """A page taken apart: tags with attributes, visible text, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def written(events: list[Event], folder: Path, *, beside: Others = ()) -> tuple[Page, str]:
    """Write a report; return the page and the Markdown. Checks R1 each time."""
    path = write_report(events, folder, beside=beside)
    assert path == folder / "report.html"
    page = Page(path.read_text("utf-8"))
    assert_inert(page)
    return page, (folder / "report.md").read_text("utf-8")


def assert_inert(page: Page) -> None:
    """R1."""
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert "//" not in value or name.startswith("xmlns")  # names of XML languages only
        assert tag not in {"script", "iframe", "object", "embed", "img", "link", "base", "form"}
        assert not [name for name in attributes if name.startswith("on")]
        for name in LOADING & attributes.keys():
            assert attributes[name].startswith("#")
            assert attributes[name][1:] in ids
        assert "url(" not in attributes.get("style", "")
    (policy,) = [
        a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy

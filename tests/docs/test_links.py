"""Links and paths in README.md, docs/ and the other pages lead somewhere."""

import re
from pathlib import Path

import pytest
from pages import ROOT, pages

OTHERS = ("CONTRIBUTING.md", "CHANGELOG.md", "data/README.md", "results/README.md")
PAGES = [*pages(), *(ROOT / name for name in OTHERS)]
# Written by a run, and not tracked.
NOT_TRACKED = ("reports/trace", "reports/earlier", "reports/prompts_template", "reports/index.html")
FOLDERS = "src|docs|tests|workflow|presets|benchmarks|profiles|reports"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_exist(page: Path) -> None:
    """What looks like a path of the repository in backticks is one; patterns are left out."""
    paths = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", prose(page))
    written = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    missing = [path for path in paths if not (ROOT / path).exists() and path not in written]
    assert [
        path for path in missing if not path.startswith(NOT_TRACKED) and not added(page, path)
    ] == []


def added(page: Path, path: str) -> bool:
    """Whether a recipe of CONTRIBUTING.md adds what the file is named after."""
    examples = "".join(re.findall(r"^ *```.*?^ *```$", page.read_text("utf-8"), re.S | re.M))
    name = Path(path).stem.removeprefix("test_")
    return page.name == "CONTRIBUTING.md" and bool(re.search(rf"\b{name}\b", examples))


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    inside = [str(page.relative_to(ROOT / "docs")) for page in pages()[1:]]
    assert [name for name in inside if name != "README.md" and f"({name})" not in contents] == []

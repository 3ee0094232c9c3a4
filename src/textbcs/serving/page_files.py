"""The files of the page: its text, its script and the style that it shares with every page of the project."""

from pathlib import Path

from textbcs.outline.page import study_page

_HTML, _STYLE, _SCRIPT = (f"text/{kind}; charset=utf-8" for kind in ("html", "css", "javascript"))
_SHARE = "Pictures have every voxel."


def page_files() -> dict[str, tuple[bytes, str]]:
    """Path -> content and type."""
    here, shared = Path(__file__).parent, Path(study_page.__file__).parent
    viewer = (shared / "study_viewer.html").read_text(encoding="utf-8").replace("{count}", _SHARE)
    page = (here / "serving.html").read_text(encoding="utf-8").replace("{viewer}", viewer)
    script = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (shared / "study_viewer.js", here / "serving.js")
    )
    return {
        "/": (page.encode(), _HTML),
        "/page.css": (study_page.style().encode(), _STYLE),
        "/page.js": (script.encode(), _SCRIPT),
    }

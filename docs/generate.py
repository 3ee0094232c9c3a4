"""Write docs/reference/: parameters, artifacts and the command line, from what the pipeline itself reads.

Run by `make docs` in the root of the checkout. tests/docs/test_reference.py says when a page is out of date.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ruamel.yaml import YAML

from textbcs.base.io import write_text
from textbcs.cli import main as command_line

REFERENCE = Path("docs/reference")
WRITTEN = "<!-- Written by docs/generate.py; run `make docs` after a change. -->"
# Long values are in the file; the table shows that there are some.
LONGEST = 60


@dataclass(frozen=True)
class Setting:
    """A line of the preset: a dotted key, its value as it is written, and its comment."""

    key: str
    value: str
    meaning: str


def pages() -> dict[Path, str]:
    """The generated pages: path and text."""
    return {
        REFERENCE / "parameters.md": parameters(Path("presets/phantom.yaml").read_text("utf-8")),
        REFERENCE / "artifacts.md": artifacts(Path("dvc.yaml").read_text("utf-8")),
        REFERENCE / "command_line.md": commands(),
    }


def parameters(text: str) -> str:
    """The page of parameters.

    Args:
        text: the complete preset, whose comments say what each value means.
    """
    lines = [
        "# Parameters",
        WRITTEN,
        "Every value that changes a result, as in the preset `phantom`; the comments are those of\n"
        "`presets/phantom.yaml`. `textbcs check` says whether `params.yaml` is valid. How to change it:\n"
        "[change a parameter](../how-to/change_a_parameter.md).",
    ]
    for name, comment, body in sections(text):
        lines.append(f"## {name}")
        if comment:
            lines.append(comment)
        rows = [
            f"| `{setting.key}` | {_code(setting.value)} | {_cell(setting.meaning)} |"
            for setting in settings(body)
        ]
        lines.append("\n".join(["| key | value | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(lines) + "\n"


def sections(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """The top-level keys of a YAML file: name, the comment above, and the lines."""
    above: list[str] = []
    name, comment, body = "", "", list[str]()
    for line in text.splitlines():
        if re.match(r"\w", line):
            if name:
                yield name, comment, body
            name, comment, body = line.split(":")[0], " ".join(above), [line]
            above = []
        elif line.startswith("#"):
            above.append(line.removeprefix("#").strip())
        elif line.strip():
            body.append(line)
        else:
            above = []
    yield name, comment, body


def settings(lines: Iterable[str]) -> Iterator[Setting]:
    """The settings of a section: every line with a value, and every heading with a comment."""
    parents: list[tuple[int, str]] = []
    for line in lines:
        match = re.match(r"( *)(- )?([\w.-]+):(?: +([^#\s].*?))?(?: +# (.*))?$", line)
        if not match:
            continue
        indent = len(match[1]) + len(match[2] or "")
        parents = [(depth, name) for depth, name in parents if depth < len(match[1] or "")]
        if match[2]:
            parents.append((len(match[1]), "[]"))
        key = ".".join([*(name for _, name in parents), match[3]]).replace(".[]", "[]")
        parents.append((indent, match[3]))
        if match[4] or match[5]:
            yield Setting(key, match[4] or "", match[5] or "")


def artifacts(text: str) -> str:
    """The page of artifacts: what each stage reads and writes.

    Args:
        text: dvc.yaml.
    """
    stages: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(text)["stages"]
    comments = _stage_comments(text)
    lines = [
        "# Artifacts: what each stage reads and writes",
        WRITTEN,
        "From `dvc.yaml`. `${…}` is a value of `params.yaml`. A stage with a matrix runs once for each\n"
        "combination of its items. Receipts, `results/receipts/<address>.json`, are left out. Files under\n"
        "`reports/` are in git, all others in DVC's cache ([versions](../how-to/versioning.md)).",
    ]
    for name, stage in stages.items():
        lines.append(f"## {name}")
        if comments.get(name):
            lines.append(comments[name])
        lines.append("\n".join(_stage_rows(stage)))
    return "\n\n".join(lines) + "\n"


def _stage_rows(stage: dict[str, Any]) -> Iterator[str]:
    needs = [str(path) for path in stage.get("deps", [])]
    code = [path for path in needs if path.startswith("src/")]
    yield "| | |"
    yield "|---|---|"
    if "matrix" in stage:
        matrix = (f"`{item}` of `{values}`" for item, values in stage["matrix"].items())
        yield f"| once for each | {', '.join(matrix)} |"
    yield f"| reads | {_list(path for path in needs if path not in code)} |"
    yield f"| writes | {_list(_outputs(stage))} |"
    yield f"| parameters | {_list(str(key) for key in stage.get('params', []))} |"
    yield f"| code | {_list(code)} |"


def _outputs(stage: dict[str, Any]) -> list[str]:
    paths = [path for out in stage["outs"] for path in (out if isinstance(out, dict) else [out])]
    return [path for path in paths if not path.startswith("results/receipts/")]


def _stage_comments(text: str) -> dict[str, str]:
    found, above = {}, list[str]()
    for line in text.splitlines():
        if match := re.match(r"  ([a-z]\w*):$", line):
            found[match[1]] = " ".join(above)
        above = [*above, line.strip(" #")] if line.startswith("  #") else []
    return found


def commands() -> str:
    """The page of the command line: the help of every command."""
    lines = [
        "# Command line",
        WRITTEN,
        "What `--help` prints. Stages are no commands of `textbcs`: Snakemake and DVC start them "
        "([engines](../explanation/engines.md)).",
    ]
    for words in [[], *_all_commands()]:
        name = " ".join(["textbcs", *words])
        lines.append(f"## {name}")
        lines.append(f"```text\n{_help(words).strip()}\n```")
    return "\n\n".join(lines) + "\n"


def _all_commands() -> Iterator[list[str]]:
    for name in _subcommands(_help([])):
        yield [name]
        for action in _subcommands(_help([name])):
            yield [name, action]


def _subcommands(text: str) -> list[str]:
    """The commands that a help lists below COMMAND or ACTION."""
    below = re.split(r"^  (?:COMMAND|ACTION)\n", text, maxsplit=1, flags=re.MULTILINE)[1:]
    return re.findall(r"^    ([a-z][\w-]*)", below[0], re.MULTILINE) if below else []


def _help(words: list[str]) -> str:
    printed = io.StringIO()
    with (
        patch.dict(os.environ, COLUMNS="100"),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        command_line([*words, "--help"])
    return printed.getvalue()


def _code(value: str) -> str:
    if len(value) > LONGEST:
        value = value[: LONGEST - 1].rstrip() + "…"
    return f"`{_cell(value)}`" if value else ""


def _list(paths: Iterable[str]) -> str:
    return "<br>".join(f"`{path}`" for path in paths) or "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for path, page in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, page)
        print(path)

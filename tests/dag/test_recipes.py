"""CONTRIBUTING.md's recipes, done to the letter: each code block goes into the file named above it.

A block whose language is `diff` changes a file: its lines with a space or a minus stand there once, in this
order, and the lines with a plus come in at their places. Any other block is a new file.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from checkout import BIN, SOURCE, Checkout

BLOCK = re.compile(r"^`(\S+)`:\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = ("A method", "A metric", "A table", "A stage")


@dataclass(frozen=True)
class Block:
    """A code block of a recipe, under a line with nothing but the file's name.

    Attributes:
        file: where it belongs.
        language: `diff`, or what the file is written in.
        text: of the file, or the change.
    """

    file: str
    language: str
    text: str

    def write(self, root: Path) -> None:
        """Do what the block says."""
        target = root / self.file
        if self.language == "diff":
            target.write_text(changed(target.read_text(), self.text, self.file))
            return
        assert not target.exists(), f"{self.file}: the recipe says that this is a new file"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.text)


def changed(text: str, change: str, file: str) -> str:
    """A file's text after the change of a `diff` block."""
    lines = [(line[:1], line[1:]) for line in change.splitlines(keepends=True)]
    before = "".join(line for kind, line in lines if kind != "+")
    after = "".join(line for kind, line in lines if kind != "-")
    assert text.count(before) == 1, f"{file}: does not hold these lines once:\n{before}"
    return text.replace(before, after)


def recipe(title: str) -> list[Block]:
    """The blocks below a heading of CONTRIBUTING.md, in their order."""
    text = (SOURCE / "CONTRIBUTING.md").read_text()
    section = re.split(rf"^## {title}$", text, flags=re.MULTILINE)[1].split("\n## ")[0]
    return [Block(*found) for found in BLOCK.findall(section)]


def blocks() -> Iterator[Block]:
    """All blocks of all recipes."""
    for title in RECIPES:
        yield from recipe(title)


def test_the_recipes_fit_the_files_of_today(tmp_path: Path) -> None:
    """Quick: the run below takes minutes."""
    for block in blocks():
        source, target = SOURCE / block.file, tmp_path / block.file
        if source.exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text())
        block.write(tmp_path)
    assert all(recipe(title) for title in RECIPES)


def keeps_the_rules(checkout: Checkout) -> None:
    """`make check`, and the tests that hold for any method, stage and module."""
    for name in ("tests", "docs"):
        shutil.copytree(SOURCE / name, checkout.root / name)
    python = str(BIN / "python")
    checkout.run(python, "docs/generate.py", PYTHONPATH="src")
    written = sorted({block.file for block in blocks() if block.file.endswith(".py")})
    checkout.run(str(BIN / "ruff"), "check", *written)
    checkout.run(str(BIN / "ruff"), "format", "--check", *written)
    checkout.run(str(BIN / "lint-imports"), "--no-cache", PYTHONPATH="src")
    named = (
        "house",
        "docs/test_reference.py",
        "test_dependencies.py",
        "models/common/test_contract.py",
        "settings/test_methods.py",
    )
    checkout.run(
        python, "-m", "pytest", "-q", "-k", "not contract or plain", *(f"tests/{n}" for n in named)
    )
    for name in ("tests", "docs"):
        shutil.rmtree(checkout.root / name)


@pytest.mark.dag
def test_a_method_a_metric_a_table_and_a_stage_are_added_by_the_recipes(tiny: Checkout) -> None:
    before = tiny.hashes()
    for block in blocks():
        block.write(tiny.root)
    tiny.run(str(BIN / "textbcs"), "use", "tiny", PYTHONPATH="src")
    files = {line[3:] for line in tiny.git("status", "--porcelain", "-uall").splitlines()}
    assert files == {block.file for block in blocks()} | {"params.yaml"}
    keeps_the_rules(tiny)

    ran = tiny.ran()
    assert [address for address in ran if "@" in address] == [
        "package@textbcs_plus-1",  # holds the receipt of the scores, and these have a new row
        "predict@plain-1",
        "pretrain@plain",
        "search@plain",
        "train@plain-1",
    ]
    assert {"score", "complexity", "statistics", "table1", "tables", "prompt_words"} <= set(ran)
    after = tiny.hashes()
    networks = [path for path in before if path.startswith(("results/runs", "results/predictions"))]
    assert {path for path in networks if after[path] != before[path]} == set()

    table1 = pd.read_csv(tiny.root / "reports/tables/table1.csv").set_index("method")
    assert 0 <= table1.loc["plain", "dice_slice_mean"] <= 100
    means = pd.read_csv(tiny.root / "results/statistics/means.csv")
    assert set(means.loc[means["measure"] == "sensitivity_patient_mean", "method"]) == set(
        table1.index
    )
    printed = pd.read_csv(tiny.root / "reports/tables/sensitivity.csv").set_index("method")
    assert list(printed.index) == list(table1.index)
    words = pd.read_csv(tiny.root / "results/prompt_words.csv")
    assert set(words["split"]) == {"train", "val", "test"}
    assert json.loads((tiny.root / "results/receipts/prompt_words.json").read_text())
    page = (tiny.root / "reports/index.html").read_text()
    assert "How much of the tumour is found?" in page
    assert tiny.is_clean()

"""`python workflow/dvc_job.py ARGUMENTS` is `python -m dvc ARGUMENTS` with a faster dvc.lock.

To write one stage into dvc.lock, DVC reads and writes the whole file with the parser that keeps a person's
comments, which is pure Python: with 100 stages 3.3 s of every job. No person writes that file, so here
only the changed stage is parsed and written, by libyaml, and the lines of the others are kept: the same
bytes. dvc.yaml is left to DVC's own parser.
"""

import re
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from dvc import dvcfile
from dvc.utils.serialize import modify_yaml
from dvc.utils.serialize._common import _modify_data
from dvc.utils.serialize._yaml import parse_yaml
from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from textbcs.io import write_text


class _Representer(SafeRepresenter):
    """Plain data as DVC's own writer has them: null is nothing, nothing is an alias of another."""

    def ignore_aliases(self, data: Any) -> bool:
        """An equal list in two stages is written twice."""
        return True


_Representer.add_representer(
    type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "")
)
_Representer.add_representer(OrderedDict, SafeRepresenter.represent_dict)


def dump(data: Any, stream: TextIO) -> None:
    """Write a lock file."""
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.Representer = _Representer
    text = StringIO()
    yaml.dump(data, text)
    # libyaml puts a space before a null that is nothing.
    stream.writelines(
        line.removesuffix(" \n") + "\n" if line.endswith(": \n") else line
        for line in text.getvalue().splitlines(keepends=True)
    )


class Entries(dict[str, Any]):
    """The stages of a lock file by name; each is text until somebody asks for it."""

    HEAD = "schema: '2.0'\nstages:\n"

    @classmethod
    def of(cls, text: str) -> "Entries | None":
        """The entries of a file that DVC wrote; None where anything else stands in it."""
        entries, name = cls(), ""
        for line in text.removeprefix(cls.HEAD).splitlines(keepends=True):
            if line[:3].strip():  # the line of a name: indented by two
                name = line[2:-2]
                if name in entries or not re.fullmatch(r"  [\w@.-]+:\n", line):
                    return None
            entries[name] = entries.setdefault(name, "") + line
        whole = text.endswith("\n") and "" not in entries
        return entries if whole and entries.text() == text else None

    def get(self, name: str, default: Any = None) -> Any:
        """The content of an entry."""
        value = super().get(name, default)
        return parse_yaml(value, dvcfile.LOCK_FILE)[name] if isinstance(value, str) else value

    def text(self) -> str:
        """The file: what was not replaced as it was."""
        return self.HEAD + "".join(
            value if isinstance(value, str) else _indented({name: value})
            for name, value in self.items()
        )


def _indented(entry: dict[str, Any]) -> str:
    text = StringIO()
    dump({"stages": entry}, text)
    return text.getvalue().removeprefix("stages:\n")


@contextmanager
def modify(path: Any, fs: Any = None) -> Iterator[Any]:
    """DVC's `modify_yaml`, faster for a lock file."""
    if Path(path).name != dvcfile.LOCK_FILE:
        with modify_yaml(path, fs=fs) as data:
            yield data
        return
    text = Path(path).read_text(encoding="utf-8") if Path(path).exists() else ""
    entries = Entries.of(text)
    if entries is None:
        with _modify_data(path, parse_yaml, dump, fs=fs) as data:
            yield data
        return
    yield {"stages": entries}
    write_text(Path(path), entries.text())


if __name__ == "__main__":
    from dvc.cli import main

    dvcfile.modify_yaml = modify
    sys.exit(main(sys.argv[1:]))

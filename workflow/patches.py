"""What replaces a part of DVC, because nothing else would do; each with what it buys, as measured.

None changes a byte of what DVC reads or writes. They use functions that DVC may move, and one private module:
`tests/workflow/test_patches.py` fails where it has.
"""

import re
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from textbcs.base.io import write_bytes, write_text


def write_lock_file_by_stage() -> None:
    """Let DVC read and write one stage's lines of dvc.lock, and keep those of the others.

    DVC reads and writes the whole file for every stage, with the parser that keeps a person's comments,
    which is pure Python. No person writes that file. With the default's 13,300 lines a job's DVC takes 4.1
    CPU seconds without this and 1.2 with it; in a whole run, in which the file grows, that is 150 s of 115
    jobs, 5.4 % of the run's CPU time. With Duke's 41,600 lines, of which reading alone was left to DVC, see
    benchmarks/tree_size.py.
    """
    from dvc import dvcfile

    dvcfile.modify_yaml = modify
    dvcfile.Lockfile.load = load_by_stage  # type: ignore[method-assign]


def braces_in_the_path() -> None:
    """Let DVC work in a folder whose path has braces, which it would read as fields of a format.

    Without this every stage fails when DVC looks for its outputs in the cache. Elsewhere nothing is changed.
    """
    if not set(str(Path.cwd())) & set("{}"):
        return
    from dvc_data.hashfile import _progress

    shown: Any = _progress.QueryingProgress

    def escaped(iterable: Any = None, total: Any = None, name: Any = None, **more: Any) -> Any:
        text = str(name or "").replace("{", "{{").replace("}", "}}")
        return shown(iterable, total, text or None, **more)

    _progress.QueryingProgress = escaped  # type: ignore[assignment, misc]


def busy_paths_never_torn() -> None:
    """Let DVC replace its list of busy paths, which it would rewrite in place.

    A job that is killed outright, for its memory or by a time limit, can leave the list empty: then every
    other job of the run fails, until a start removes it.
    """
    from dvc import rwlock

    edit = rwlock._edit_rwlock
    rwlock._edit_rwlock = lambda folder, fs, hardlink: edit(folder, _WholeFiles(fs), hardlink)


class _WholeFiles:
    """DVC's file system, but what is written takes its place whole."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs
        self.join = fs.join

    @contextmanager
    def open(self, path: str, mode: str = "r", encoding: str = "utf-8") -> Iterator[TextIO]:
        """Open a text file to read or to replace it."""
        if mode == "w":
            text = StringIO()
            yield text
            write_bytes(path, text.getvalue().encode(), durable=False)
            return
        with self._fs.open(path, mode, encoding=encoding) as file:
            yield file


@contextmanager
def parameters_read_once() -> Iterator[None]:
    """Let DVC parse a file of parameters once, not once a stage, and look each key up once.

    With the default's 115 stages that is 1.7 of the 6.2 CPU seconds of a Snakemake that finds nothing to do,
    28 %. Only the start of a run asks for all stages: of a whole run it is less than 0.1 %. Each look-up
    walks through the whole file. With this and `files_hashed_once` a dry run of Duke's 361 stages takes 14
    CPU seconds instead of 32.
    """
    from dvc.dependency import param
    from dvc.utils import serialize

    load, known = serialize.LOADERS[".yaml"], {}

    def load_once(path: str, fs: Any, **settings: Any) -> Any:
        key = (path, repr(settings))
        if key not in known:
            known[key] = load(path, fs=fs, **settings)
        return deepcopy(known[key])

    read, values = param.read_param_file, {}

    def read_once(
        fs: Any, path: str, key_paths: Any = None, flatten: bool = False, **settings: Any
    ) -> Any:
        if not key_paths or not flatten:
            return read(fs, path, key_paths, flatten, **settings)
        found: dict[str, Any] = {}
        for key in key_paths:
            if (path, key) not in values:
                values[path, key] = read(fs, path, [key], flatten, **settings)
            found |= deepcopy(values[path, key])
        return found

    serialize.LOADERS[".yaml"], param.read_param_file = load_once, read_once
    try:
        yield
    finally:
        serialize.LOADERS[".yaml"], param.read_param_file = load, read


@contextmanager
def files_hashed_once() -> Iterator[None]:
    """Let DVC look at a file or folder once, not once for each stage that reads it.

    For the time of one question, under DVC's lock: Duke's 361 stages name 5,700 outs and deps. DVC keeps the
    list of each folder that it hashes, and searches through all of them at the next, so without this a start
    grows faster than the number of stages.
    """
    from dvc.output import Output

    look, known = Output.get_hash, {}

    def look_once(self: Any) -> Any:
        key = (self.fs.protocol, self.fs_path)
        if key not in known:
            known[key] = look(self)
        return known[key]

    Output.get_hash = look_once  # type: ignore[method-assign]
    try:
        yield
    finally:
        Output.get_hash = look  # type: ignore[method-assign]


@contextmanager
def modify(path: Any, fs: Any = None) -> Iterator[Any]:
    """DVC's `modify_yaml`, faster for a lock file as DVC writes it."""
    from dvc import dvcfile
    from dvc.utils.serialize import modify_yaml

    lock = Path(path)
    entries = None
    if lock.name == dvcfile.LOCK_FILE and lock.exists():
        entries = Entries.of(lock.read_text(encoding="utf-8"))
    if entries is None:
        with modify_yaml(path, fs=fs) as data:
            yield data
        return
    yield {"stages": entries}
    write_text(lock, entries.text())


def load_by_stage(file: Any, **settings: Any) -> Any:
    """DVC's `Lockfile.load`: each stage of a lock file is parsed and checked when it is asked for."""
    lock = Path(file.path)
    entries = Entries.of(lock.read_text(encoding="utf-8")) if file.exists() else None
    if entries is None:
        return file._load(**settings)[0]
    return {"schema": "2.0", "stages": entries}


class Entries(dict[str, Any]):
    """The stages of a lock file by name; each is text until somebody asks for it."""

    HEAD = "schema: '2.0'\nstages:\n"

    @classmethod
    def of(cls, text: str) -> "Entries | None":
        """The entries of a file that DVC wrote; None where anything else stands in it."""
        entries, body = cls(), text.removeprefix(cls.HEAD)
        # Lines that begin within the first three columns: names, indented by two.
        heads = list(re.finditer(r"^[^\S\n]{0,2}\S.*\n?", body, re.MULTILINE))
        if not heads:
            return None
        ends = [*(head.start() for head in heads[1:]), len(body)]
        for head, end in zip(heads, ends, strict=True):
            name = head[0][2:-2]
            if name in entries or not re.fullmatch(r"  [\w@.-]+:\n", head[0]):
                return None
            entries[name] = body[head.start() : end]
        return entries if text.endswith("\n") and entries.text() == text else None

    def get(self, name: str, default: Any = None) -> Any:
        """The content of an entry."""
        from dvc.schema import COMPILED_LOCKFILE_SCHEMA
        from dvc.utils.serialize import parse_yaml
        from dvc.utils.strictyaml import validate

        value = super().get(name, default)
        if not isinstance(value, str):
            return value
        text = self.HEAD + value
        parsed: Any = validate(
            parse_yaml(text, "dvc.lock"), COMPILED_LOCKFILE_SCHEMA, text=text, path="dvc.lock"
        )
        return parsed["stages"][name]

    def text(self) -> str:
        """The file: what was not replaced as it was."""
        return self.HEAD + "".join(
            value if isinstance(value, str) else _indented({name: value})
            for name, value in self.items()
        )


def dump(data: Any, stream: TextIO) -> None:
    """Write plain data as DVC writes its lock file, by libyaml."""
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


class _Representer(SafeRepresenter):
    """Plain data as DVC's own writer has them: null is nothing, nothing is an alias of another."""

    def ignore_aliases(self, data: Any) -> bool:
        """An equal list in two stages is written twice."""
        return True


_Representer.add_representer(
    type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "")
)
_Representer.add_representer(OrderedDict, SafeRepresenter.represent_dict)


def _indented(entry: dict[str, Any]) -> str:
    text = StringIO()
    dump({"stages": entry}, text)
    return text.getvalue().removeprefix("stages:\n")

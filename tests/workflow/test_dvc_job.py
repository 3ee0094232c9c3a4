"""DVC's lock file by libyaml: the bytes that DVC itself writes."""

from collections import OrderedDict
from io import StringIO
from pathlib import Path

import dvc_job
import pytest
from dvc.utils.serialize import dumps_yaml, modify_yaml
from dvc.utils.serialize._yaml import parse_yaml


def written(data: object) -> str:
    stream = StringIO()
    dvc_job.dump(data, stream)
    return stream.getvalue()


def test_the_projects_lock_file_comes_out_as_dvc_wrote_it() -> None:
    text = Path("dvc.lock").read_text(encoding="utf-8")
    assert written(parse_yaml(text, "dvc.lock")) == text


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0.1,
        5.0e-7,
        1e20,
        -3,
        "",
        "no",
        "1.0",
        "a: b",
        "# no comment",
        "ends with a colon: ",
        "^breast-tumor segmentation$",
        "word " * 40,
        "line\nline: \n",
        "größe",
        [],
        {},
        [[0.002, 8], [5.0e-4, 8]],
        [{"a": None, "b": [None, 1]}, {"a": None}],
        OrderedDict(b=1, a=OrderedDict(c=None)),
    ],
    ids=repr,
)
def test_every_kind_of_value_comes_out_as_dvc_writes_it(value: object) -> None:
    data = {
        "schema": "2.0",
        "stages": {"train@unet-1": {"params": {"params.yaml": {"x.y": value}}}},
    }
    assert written(data) == dumps_yaml(data)


def test_one_list_in_two_stages_is_written_twice() -> None:
    grid = [1, 2]
    assert "&" not in written({"stages": {"a": {"x": grid}, "b": {"x": grid}}})


def test_a_lock_file_is_changed_and_a_pipeline_keeps_its_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.lock", "dvc.yaml"):
        Path(name).write_text("# said by a person\nstages:\n  a:\n    cmd: true\n")
        with dvc_job.modify(name) as data:
            data["stages"]["b"] = {"cmd": "false"}
    assert Path("dvc.lock").read_text() == "stages:\n  a:\n    cmd: true\n  b:\n    cmd: 'false'\n"
    assert Path("dvc.yaml").read_text().startswith("# said by a person\n")
    with modify_yaml("dvc.lock") as data:
        assert data["stages"]["b"] == {"cmd": "false"}

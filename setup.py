"""What pyproject.toml cannot say: the wheel carries the files that `textbcs init` copies."""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "src"))

from textbcs.settings.working_copy import CARRIED, project_files  # noqa: E402


class BuildWithProject(build_py):
    """Builds the package and copies the repository's files into it; an editable install needs none."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "textbcs", CARRIED)
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build
        for name in project_files(ROOT):
            self.mkpath(str((target / name).parent))
            self.copy_file(str(ROOT / name), str(target / name))

    def get_source_files(self) -> list[str]:
        """What an archive of the source needs beside the modules."""
        return [*super().get_source_files(), *project_files(ROOT)]


setup(cmdclass={"build_py": BuildWithProject})

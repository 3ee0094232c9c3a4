"""`textbcs completion`: a script that completes commands, options, presets, methods and files with Tab.

What completes an argument is said where the argument is added, by `completed`.
"""

import argparse
from typing import Any

SHELLS = ("bash", "zsh", "fish")
FILE, FOLDER = "file", "directory"


class Words(dict[str, Any]):
    """Words that a shell command prints; a mapping since shtab asks for one, filled when it asks.

    Args:
        command: valid in each of `SHELLS`, without `$` and double quotes; it prints a word a line, since
            fish takes a line as one word.
    """

    def __init__(self, command: str) -> None:
        super().__init__()
        self.command = command

    def get(self, key: str, default: Any = None) -> Any:
        """How a shell gets the words."""
        import shtab

        return shtab.cmd(self.command).get(key, default)


PRESETS = Words("ls presets 2>/dev/null | sed -n 's/[.]yaml//p'")
# Tables by their names, and the files of runs by their paths.
TRACED = Words(
    "find reports/tables results/runs results/predictions -maxdepth 2 -type f 2>/dev/null "
    "| sed 's,^reports/tables/,,; s/[.]csv//'"
)
REVISIONS = Words("git for-each-ref --format='%(refname:short)' refs/heads refs/tags 2>/dev/null")


def completed(action: argparse.Action, by: str | Words) -> None:
    """Say what completes an argument: `FILE`, `FOLDER` or words."""
    action.complete = by  # type: ignore[attr-defined]


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for one of `SHELLS` that completes a command line."""
    import shtab

    script = str(shtab.complete(parser, shell))
    # shtab's script for zsh can be a file of $fpath, or evaluated; people source it too, as that of bash.
    return script.replace(
        "$zsh_eval_context[-1] == eval ]]", "$zsh_eval_context[-1] == (eval|file) ]]"
    )

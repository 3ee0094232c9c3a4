"""`python workflow/dvc_job.py ARGUMENTS` is `python -m dvc ARGUMENTS` with a faster dvc.lock (patches.py)."""

import sys

from dvc.cli import main
from patches import braces_in_the_path, busy_paths_never_torn, write_lock_file_by_stage

if __name__ == "__main__":
    write_lock_file_by_stage()
    braces_in_the_path()
    busy_paths_never_torn()
    sys.exit(main(sys.argv[1:]))

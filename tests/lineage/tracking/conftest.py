from finished_fixtures import *  # noqa: F403

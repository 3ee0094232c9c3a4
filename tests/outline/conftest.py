from cohort_fixtures import *  # noqa: F403

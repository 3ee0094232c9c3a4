"""Which series and patients make the cohort: phases chosen, exclusions with their reasons."""

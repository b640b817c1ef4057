"""The command line: `faciliter-jobs`, or `python -m faciliter_jobs.cli`. Needs the extra `cli`."""

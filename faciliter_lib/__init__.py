"""The documented import path: `from faciliter_lib.jobs import submit_job`."""

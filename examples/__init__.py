"""Run from the repository's root: `python -m examples.demo`, `python -m examples.csv_to_xlsx.run`."""

"""Two companies, two workers, one of them killed on the way: `python -m examples.demo`."""

"""The runner behind `faciliter-jobs worker`: one process, or a supervisor with many (docs/deploy.md).

settings   what the command line asks for
single     the worker runs in this very process
loop       the supervisor: signals, ticks, reload      fleet   which child runs, is replaced, is given up
child      what a child process runs                   process a child, seen from the supervisor
beat       what a child tells the supervisor           backoff, memory   pure parts
outside    what others are told: health endpoints (health), ready file, systemd (notify)
words      the log's

Nothing is imported here: a child loads its own part only.
"""

"""The benchmark: `python -m bench` prints tables of what the service does on this machine.

Nothing of it is left when it ends: its processes, keys, containers and image are its own, and go.
`contenders.py` is the table of what is measured against what.
"""


class BenchFailed(Exception):
    """Raised when there is nothing to measure, or an answer was not the one expected."""

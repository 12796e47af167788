"""The benchmark: `python -m bench` prints one table of what the service does on this machine.

Nothing of it is left when it ends: its processes, keys, containers and image are its own, and go.
"""

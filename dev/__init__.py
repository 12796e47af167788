"""What is done with a checkout; `make help` has the commands: run, test, bench, lint, clean.

- `servers`: one server each, to be started, killed and ended by a test
- `services`: the Redis and the engine of a command, found or started
- `machine`: what both need of this machine
- `images`: images that are made on the spot, and so need no registry
"""

"""What is done with a checkout; `make help` has the commands: run, test, bench, lint, clean.

- `servers`: real servers, each described once; tests start, kill and end their own
- `services`: the Redis and the engine of a command, found, or kept by supervisord as its `children`
- `images`: images that are made on the spot, and so need no registry
- `machine`: what all of them need of this machine
"""

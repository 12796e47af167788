"""The logs of funcs, which may be followed."""

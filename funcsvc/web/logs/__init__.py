"""The logs of funcs, to read or to follow."""

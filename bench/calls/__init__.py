"""The benchmark of calls: what a call takes, against peers that are measured in the same run.

Each part is a module with one `measure`, which returns a section of the page; `parts.py` has them.
"""

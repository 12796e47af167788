"""This machine: processes, networks, folders, root. Its own python3 runs this, for `make clean`.

Hence there is nothing here but the standard library; `tests/unit/test_machine.py` holds that.
"""

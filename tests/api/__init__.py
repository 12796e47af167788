"""Tests of the HTTP interface, with Flask's test client over fakes."""

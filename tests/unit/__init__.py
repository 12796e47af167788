"""Tests of one room at a time, without Redis and without an engine."""

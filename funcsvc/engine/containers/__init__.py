"""Containers on the engine: how they are created, and how their output is read."""

"""Containers on the engine: what they are created with, and what comes out of them."""

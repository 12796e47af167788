"""Compares the fakes and the schema with a real Redis and a real Docker Engine."""

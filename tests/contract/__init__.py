"""The fakes and the schema, held to a real Redis and a real Docker Engine."""

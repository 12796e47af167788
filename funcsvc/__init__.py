"""funcsvc: a self-hosted function service. Any Docker image is a function; HTTP calls it."""

__version__ = "0.1.0"

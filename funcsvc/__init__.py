"""A self-hosted function service: any Docker image is a function that is called over HTTP."""

__version__ = "0.1.0"

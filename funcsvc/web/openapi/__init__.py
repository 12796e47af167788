"""The service's description of itself, OpenAPI 3.1, made from the schemas."""

from funcsvc.web.openapi.document import make_document

__all__ = ["make_document"]

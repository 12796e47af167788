"""The whole service as an operator runs it: real gunicorn processes, a real Redis and engine."""

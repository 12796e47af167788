"""The whole service as its operator runs it: real gunicorn processes, a real Redis and engine."""

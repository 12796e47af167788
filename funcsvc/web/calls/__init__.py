"""The public views: call a func, wait for a call, and get its output and status."""

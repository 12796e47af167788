"""Settings of gunicorn. docs/gunicorn.md explains the surprising ones."""

from funcsvc.process import keep_freed_memory, settings_or_exit
from funcsvc.web.gunicorn.hooks import (
    begin_upgrade,
    check_address_is_free,
    keep_early_signals,
    say_ready,
)

settings = settings_or_exit()
keep_freed_memory()

bind = settings.bind
workers = settings.workers
threads = settings.threads
worker_class = "funcsvc.web.gunicorn.worker.DeadlineWorker"
logger_class = "funcsvc.web.gunicorn.logger.Logger"
reuse_port = not settings.bind.startswith("unix:")  # otherwise one worker can get every connection
control_socket_disable = True  # its path is per user, so a second service would take it over
backlog = 1024
worker_connections = 1000
timeout = 30  # for the worker's heartbeat; requests have their own deadlines
limit_request_line = 8190  # leaves room for the filters of a listing
keepalive = settings.keepalive_seconds
graceful_timeout = settings.graceful_timeout_seconds
forwarded_allow_ips = ""  # only X-Forwarded-For is used, by funcsvc/model/hosts.py
accesslog = "-"
loglevel = settings.log_level
on_starting = check_address_is_free
pre_exec = begin_upgrade
post_fork = keep_early_signals
when_ready = say_ready

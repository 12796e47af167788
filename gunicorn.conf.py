"""Server settings. The reasons for those that surprise are in docs/architecture.md."""

from funcsvc.process import keep_freed_memory, settings_or_exit
from funcsvc.web.gunicorn.hooks import check_address_is_free, keep_early_signals, say_ready

settings = settings_or_exit()
keep_freed_memory()

bind = settings.bind
workers = settings.workers
threads = settings.threads
worker_class = "funcsvc.web.gunicorn.worker.Worker"
logger_class = "funcsvc.web.gunicorn.logger.Logger"
reuse_port = not settings.bind.startswith("unix:")  # else one worker can get every connection
control_socket_disable = True  # one path for each user, which a second service takes over
backlog = 1024
worker_connections = 1000
timeout = 30  # a heartbeat of the worker; requests have deadlines of their own
limit_request_line = 8190  # the filters of a listing are in it
keepalive = settings.keepalive_seconds
graceful_timeout = settings.graceful_timeout_seconds
forwarded_allow_ips = ""  # X-Forwarded-For is read by funcsvc/model/hosts.py alone
accesslog = "-"
loglevel = settings.log_level
on_starting = check_address_is_free
post_fork = keep_early_signals
when_ready = say_ready

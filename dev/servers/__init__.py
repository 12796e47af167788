"""Real servers, each with a folder of its own and a free port of loopback.

For a test each is a context manager. At the end a server is ended by its own pid, and its folder is
removed. What they print is kept, and `log_tails` shows it when a test has failed. The commands take
from them the command line, and whether a server answers.
"""

from dev.machine.as_root import SEARCH_PATH
from dev.machine.places import ROOT
from dev.machine.waiting import NEVER_SECONDS, PATIENCE_SECONDS, wait_until
from dev.servers.certificates import Certificates, make_certificates
from dev.servers.dns import DnsServer, dns_server
from dev.servers.engine import EngineServer, engine_server
from dev.servers.network import Proxy, proxy, silent_listener
from dev.servers.nginx import NginxServer, nginx_server
from dev.servers.process import (
    LOOPBACK,
    Server,
    folder,
    forget_ended,
    free_port,
    listens,
    log_tails,
)
from dev.servers.redis import RedisServer, redis_answers, redis_server
from dev.servers.registry import RegistryServer, registry_server
from dev.servers.sentinel import (
    SERVICE,
    SentinelServer,
    TlsRedisServer,
    sentinel_server,
    tls_redis_server,
)
from dev.servers.service import (
    WEB_COMMAND,
    Answer,
    Service,
    exchange,
    exchange_over_unix_socket,
    make_service,
    service,
)
from dev.servers.worker import WORKER_COMMAND, WorkerServer, make_worker, worker

__all__ = [
    "LOOPBACK",
    "NEVER_SECONDS",
    "PATIENCE_SECONDS",
    "ROOT",
    "SEARCH_PATH",
    "SERVICE",
    "WEB_COMMAND",
    "WORKER_COMMAND",
    "Answer",
    "Certificates",
    "DnsServer",
    "EngineServer",
    "NginxServer",
    "Proxy",
    "RedisServer",
    "RegistryServer",
    "SentinelServer",
    "Server",
    "Service",
    "TlsRedisServer",
    "WorkerServer",
    "dns_server",
    "engine_server",
    "exchange",
    "exchange_over_unix_socket",
    "folder",
    "forget_ended",
    "free_port",
    "listens",
    "log_tails",
    "make_certificates",
    "make_service",
    "make_worker",
    "nginx_server",
    "proxy",
    "redis_answers",
    "redis_server",
    "registry_server",
    "sentinel_server",
    "service",
    "silent_listener",
    "tls_redis_server",
    "wait_until",
    "worker",
]

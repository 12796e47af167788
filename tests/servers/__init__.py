"""Real servers of a test's own, each with a folder of its own and a free port of loopback.

Each is a context manager. At the end a server is ended by its own pid, and its folder is removed.
What they print is kept, and `log_tails` shows it when a test has failed.
"""

from tests.servers.engine import EngineServer, engine_server
from tests.servers.network import Proxy, proxy, silent_listener
from tests.servers.process import (
    LOOPBACK,
    ROOT,
    SEARCH_PATH,
    Server,
    folder,
    forget_ended,
    free_port,
    log_tails,
    wait_until,
)
from tests.servers.redis import RedisServer, redis_server
from tests.servers.registry import RegistryServer, registry_server
from tests.servers.service import (
    Answer,
    Service,
    exchange,
    exchange_over_unix_socket,
    make_service,
    service,
)
from tests.servers.worker import WorkerServer, make_worker, worker

__all__ = [
    "LOOPBACK",
    "ROOT",
    "SEARCH_PATH",
    "Answer",
    "EngineServer",
    "Proxy",
    "RedisServer",
    "RegistryServer",
    "Server",
    "Service",
    "WorkerServer",
    "engine_server",
    "exchange",
    "exchange_over_unix_socket",
    "folder",
    "forget_ended",
    "free_port",
    "log_tails",
    "make_service",
    "make_worker",
    "proxy",
    "redis_server",
    "registry_server",
    "service",
    "silent_listener",
    "wait_until",
    "worker",
]

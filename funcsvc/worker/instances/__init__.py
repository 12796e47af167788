"""The instances of one worker: made for a call or ahead of it, lent to one call, removed."""

from funcsvc.worker.instances.demand import DemandLimits
from funcsvc.worker.instances.limits import PoolLimits
from funcsvc.worker.instances.pool import InstancePool
from funcsvc.worker.instances.table import Counts

__all__ = ["Counts", "DemandLimits", "InstancePool", "PoolLimits"]

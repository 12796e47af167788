"""What funcsvc stores and moves between rooms: plain values.

Nothing here reads, writes, waits or knows JSON, HTTP, Redis or Docker.
"""

from funcsvc.model.calls import (
    MAX_OUTPUT_BYTES,
    MAX_PAYLOAD_BYTES,
    SHORT_BYTES,
    BegunCall,
    CallCounts,
    CallState,
    CallStatus,
    Event,
    Failure,
    InstanceKind,
    NewCall,
    Outcome,
    ReservedCall,
)
from funcsvc.model.funcs import (
    DEFAULT_TIMEOUT_SECONDS,
    MAX_TIMEOUT_SECONDS,
    Config,
    Func,
    HostConfig,
    PortBinding,
)
from funcsvc.model.hosts import client_address, host_name, is_loopback, limited_address
from funcsvc.model.images import (
    REFERENCE_PATTERN,
    VERSION_PATTERN,
    Image,
    ImageReference,
    InvalidReference,
    is_image_id,
    parse_image_reference,
)
from funcsvc.model.policy import Broken, Policy
from funcsvc.model.sizes import DEFAULT_SIZE, MEGABYTE, SIZES, Capacity, Size

__all__ = [
    "DEFAULT_SIZE",
    "DEFAULT_TIMEOUT_SECONDS",
    "MAX_OUTPUT_BYTES",
    "MAX_PAYLOAD_BYTES",
    "MAX_TIMEOUT_SECONDS",
    "MEGABYTE",
    "REFERENCE_PATTERN",
    "SHORT_BYTES",
    "SIZES",
    "VERSION_PATTERN",
    "BegunCall",
    "Broken",
    "CallCounts",
    "CallState",
    "CallStatus",
    "Capacity",
    "Config",
    "Event",
    "Failure",
    "Func",
    "HostConfig",
    "Image",
    "ImageReference",
    "InstanceKind",
    "InvalidReference",
    "NewCall",
    "Outcome",
    "Policy",
    "PortBinding",
    "ReservedCall",
    "Size",
    "client_address",
    "host_name",
    "is_image_id",
    "is_loopback",
    "limited_address",
    "parse_image_reference",
]

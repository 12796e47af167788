"""Each room of funcsvc alone: no network, no Redis, no engine."""

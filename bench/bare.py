"""Peer (a): the least that a service could do. One bare Flask route, served as funcsvc is.

It parses JSON, does one SET NX through redis-py as it comes, and returns JSON; or does one GET;
or, against calls, reads a small body and returns a short JSON, without Redis.
"""

import os
from uuid import uuid4

import redis
from flask import Flask, Response, jsonify, request

app = Flask(__name__, static_folder=None)
client = redis.Redis.from_url(os.environ["FUNCSVC_REDIS_URL"])
prefix = os.environ["FUNCSVC_REDIS_PREFIX"]


@app.post("/funcs/create")
def create() -> tuple[Response, int]:
    """Store the body under its name, once."""
    document = request.get_json()
    stored = client.set(f"{prefix}bare:{document['Name']}", request.get_data(), nx=True)
    return jsonify(document), 201 if stored else 409


@app.get("/funcs/<name>")
def get(name: str) -> Response:
    """Return what is stored under a name."""
    return Response(client.get(f"{prefix}bare:{name}"), content_type="application/json")


@app.post("/call/<name>/<uuid>")
def call(name: str, uuid: str) -> Response:
    """Read the body, and return what a call is answered with."""
    request.get_data()
    return jsonify({"CallId": str(uuid4())})


@app.get("/healthz")
def is_healthy() -> Response:
    """Say that it serves."""
    return jsonify("ok")

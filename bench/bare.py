"""A peer: the least that a service could do. One bare Flask route, served as funcsvc is."""

import os
from uuid import uuid4

import redis
from flask import Flask, Response, jsonify, request

app = Flask(__name__, static_folder=None)
client = redis.Redis.from_url(os.environ["FUNCSVC_REDIS_URL"])
prefix = os.environ["FUNCSVC_REDIS_PREFIX"]


@app.post("/funcs/create")
def create() -> tuple[Response, int]:
    """Parse JSON, do one SET NX through redis-py as it comes, and return JSON."""
    document = request.get_json()
    stored = client.set(f"{prefix}bare:{document['Name']}", request.get_data(), nx=True)
    return jsonify(document), 201 if stored else 409


@app.get("/funcs/<name>")
def get(name: str) -> Response:
    """Do one GET."""
    return Response(client.get(f"{prefix}bare:{name}"), content_type="application/json")


@app.post("/call/<name>/<uuid>")
def call(name: str, uuid: str) -> Response:
    """Read the body, and return what a call is answered with, without Redis."""
    request.get_data()
    return jsonify({"CallId": str(uuid4())})


@app.get("/healthz")
def is_healthy() -> Response:
    return jsonify("ok")

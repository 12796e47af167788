"""GET /openapi.json and GET /docs as files: types, caching, and what isn't served."""

from __future__ import annotations

import re
from hashlib import sha256
from importlib.resources import files

import pytest
from flask.testing import FlaskClient

from tests.api.conftest import make_client
from tests.fakes import FakeEngine, FakeFuncStore

KEY = {"FUNCSVC_ACCESS_KEYS": "key:secret"}


def test_document_is_kept_by_clients_until_it_changes(client: FlaskClient) -> None:
    first = client.get("/openapi.json")
    assert (first.status_code, first.content_type) == (200, "application/json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/start.js", "text/javascript; charset=utf-8"),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
        ("/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("/docs/swagger-ui.LICENSE.txt", "text/plain; charset=utf-8"),
    ],
)
def test_docs_page_and_its_parts_are_served_without_a_key(
    store: FakeFuncStore, engine: FakeEngine, path: str, content_type: str
) -> None:
    answer = make_client(store, engine, **KEY).get(path)
    assert (answer.status_code, answer.content_type) == (200, content_type)
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["ETag"]


@pytest.mark.parametrize(
    "path", ["/docs/", "/docs/README.md", "/docs/none.js", "/docs/..%2fapp.py"]
)
def test_docs_serves_no_other_file(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.get_json() == {"message": "There is nothing at this path."}


def test_vendored_files_are_those_of_the_note() -> None:
    folder = files("funcsvc.web.openapi").joinpath("page")
    note = folder.joinpath("README.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \|.*\| ([0-9a-f]{64}) \|$", note, re.MULTILINE)
    assert {name for name, _ in rows} | {"docs.html", "start.js", "README.md"} == {
        file.name for file in folder.iterdir()
    }
    for name, digest in rows:
        assert sha256(folder.joinpath(name).read_bytes()).hexdigest() == digest

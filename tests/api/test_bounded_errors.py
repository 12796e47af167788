"""However wrong a body is, its answer stays short, and says that it doesn't list every error."""

from __future__ import annotations

import re

import pytest

MAX_BODY_BYTES = 256 * 1024
MAX_ANSWER_BYTES = 64 * 1024
MORE = re.compile(r" There are more: errors lists only the first ([0-9]+)\.$")


def below(letter: str) -> str:
    """Return a body with 101 wrong values below four keys that are as long as a path has them."""
    text = ", ".join([r'"\u0000"'] * 101)
    return "".join(f'{{"{n}{letter * 79}": ' for n in range(4)) + f"[{text}]" + "}" * 4


def many(entry: str, around: str = "%s") -> str:
    """Return as many entries as a body has room for, in what is around them."""
    entries, size = [], 0
    while size < MAX_BODY_BYTES - 4000:
        entries.append(entry.replace("#", str(len(entries) + 1)))
        size += len(entries[-1]) + 1
    return around % ",".join(entries)


def config(option: str) -> str:
    return f'{{"Name": "a", "Config": {{"Image": "u", {option}}}}}'


def host_config(option: str) -> str:
    return f'{{"Name": "a", "Config": {{"Image": "u"}}, "HostConfig": {{{option}}}}}'


BODIES = {
    "unknown fields": many('"k#": 1', "{%s}"),
    "unknown fields in Config": config(many('"Cmd#": 1')),
    "unknown fields in HostConfig": host_config(many('"Link#": 1')),
    "Env": config(many("1", '"Env": [%s]')),
    "Cmd": config(many("1", '"Cmd": [%s]')),
    "Labels": config(many('"#": 1', '"Labels": {%s}')),
    "ExposedPorts": config(many('"x#": {}', '"ExposedPorts": {%s}')),
    "Links": host_config(many('""', '"Links": [%s]')),
    "VolumesFrom": host_config(many('":"', '"VolumesFrom": [%s]')),
    "PortBindings": host_config(many('"#": 1', '"PortBindings": {%s}')),
    "bindings of a port": host_config(many("1", '"PortBindings": {"80": [%s]}')),
    "keys of a binding": host_config(many('"k#": 1', '"PortBindings": {"80": [{%s}]}')),
    "NUL characters": many(r'"\u0000"', '{"x": [%s]}'),
    "keys with NUL characters": many(r'"\u0000#": 1', "{%s}"),
    "lone surrogates": many(r'"\ud800"', '{"x": [%s]}'),
    "control characters in keys": below(r"\u0001"),
    "emoji in keys": below("😀"),
    "quotes in Env": config(many('"' + r"\"" * 40 + '"', '"Env": [%s]')),
}


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("kind", BODIES)
def test_answer_to_many_wrong_fields_is_short_and_says_that_it_has_not_all(client, kind, method):
    client.post("/funcs/create", json={"Name": "a", "Config": {"Image": "u"}})
    path = {"POST": "/funcs/create", "PUT": "/funcs/a"}[method]
    body = BODIES[kind].encode()
    answer = client.open(path, method=method, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert len(answer.data) < MAX_ANSWER_BYTES
    document = answer.get_json()
    listed = [sentence for sentences in document["errors"].values() for sentence in sentences]
    assert int(MORE.search(document["message"])[1]) == len(listed) <= 100
    assert MORE.sub("", document["message"]) == listed[0]


@pytest.mark.parametrize(
    "body",
    [
        '{"%s": 1}',
        '{"Name": "a", "Config": {"Image": "u", "%s": 1}}',
        '{"Name": "a", "Config": {"Image": "u", "Labels": {"%s": 1}}}',
        '{"Name": "a", "Config": {"Image": "u", "ExposedPorts": {"%s": {}}}}',
        '{"Name": "a", "Config": {"Image": "u"}, "HostConfig": {"PortBindings": {"%s": []}}}',
        '{"Name": "%s?", "Config": {"Image": "u"}}',
        '{"Name": "a", "Config": {"Image": "%s?"}}',
        '{"%s": "\\u0000"}',
        '{"a": 1, "%s": 1, "a": 1}',
        '{"a": "%s',
    ],
)
def test_long_name_or_value_is_quoted_by_its_beginning(client, body):
    data = (body % ("x" * 200_000)).encode()
    answer = client.post("/funcs/create", data=data, content_type="application/json")
    assert answer.status_code == 400
    assert len(answer.data) < 3000


def test_path_below_many_long_keys_is_cut(client):
    deep = ('{"%s": ' % ("k" * 79)) * 30 + "[%s]" + "}" * 30
    data = many(r'"\u0000"', deep).encode()
    answer = client.post("/funcs/create", data=data, content_type="application/json")
    assert answer.status_code == 400
    assert len(answer.data) < 3000


def test_ports_that_are_published_twice_get_one_sentence(client):
    bindings = many('{"HostPort": "#"}, {"HostPort": "#"}', '"PortBindings": {"80": [%s]}')
    data = host_config(bindings).encode()
    answer = client.post("/funcs/create", data=data, content_type="application/json")
    assert answer.status_code == 400
    assert len(answer.data) < 500

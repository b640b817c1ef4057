"""Where the queue is: arguments, URLs, the environment."""

from __future__ import annotations

import pytest

from faciliter_jobs import JobConfig
from faciliter_jobs.config import is_configured
from faciliter_jobs.errors import ConfigError, JobQueueError

DEFAULT = JobConfig()

# variable without its start -> (text, field, value)
VARIABLES = [
    ("HOST", "example.org", "host", "example.org"),
    ("PORT", "6380", "port", 6380),
    ("DB", "3", "db", 3),
    ("USERNAME", "ann", "username", "ann"),
    ("PASSWORD", "p@ss:/{}", "password", "p@ss:/{}"),
    ("PREFIX", "mine:", "prefix", "mine:"),
    ("TTL", "60", "default_ttl", 60),
    ("MAX_CONNECTIONS", "3", "max_connections", 3),
    ("RETRY_ON_TIMEOUT", "false", "retry_on_timeout", False),
    ("SOCKET_TIMEOUT", "2.5", "socket_timeout", 2.5),
    ("MAX_PAYLOAD_BYTES", "1000", "max_payload_bytes", 1000),
]


def test_the_documented_defaults():
    assert (DEFAULT.host, DEFAULT.port, DEFAULT.db, DEFAULT.password) == ("localhost", 6379, 0, None)
    assert (DEFAULT.prefix, DEFAULT.default_ttl, DEFAULT.max_connections) == ("jobs:", 86400, 10)
    assert (DEFAULT.retry_on_timeout, DEFAULT.socket_timeout) == (True, 5)


def test_an_empty_environment_gives_the_defaults():
    assert JobConfig.from_env({}) == DEFAULT


@pytest.mark.parametrize(("name", "text", "field", "value"), VARIABLES)
def test_each_variable_of_its_own_goes_before_redis_s_which_goes_before_the_default(name, text, field, value):
    assert getattr(JobConfig.from_env({f"JOB_QUEUE_{name}": text}), field) == value
    assert getattr(JobConfig.from_env({f"REDIS_{name}": text}), field) == value
    other = "7" if isinstance(value, (int, float)) and not isinstance(value, bool) else "true"
    both = JobConfig.from_env({f"JOB_QUEUE_{name}": text, f"REDIS_{name}": other})
    assert getattr(both, field) == value


@pytest.mark.parametrize(("name", "text", "field", "value"), VARIABLES)
def test_an_empty_variable_counts_as_not_set(name, text, field, value):
    assert JobConfig.from_env({f"JOB_QUEUE_{name}": "", f"REDIS_{name}": ""}) == DEFAULT
    fallen_back = JobConfig.from_env({f"JOB_QUEUE_{name}": "", f"REDIS_{name}": text})
    assert getattr(fallen_back, field) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [(t, True) for t in ("true", "1", "YES", "On", " true ")]
    + [(t, False) for t in ("false", "0", "No", "off")],
)
def test_what_true_and_false_may_be_written_as(text, value):
    assert JobConfig.from_env({"JOB_QUEUE_RETRY_ON_TIMEOUT": text}).retry_on_timeout is value


@pytest.mark.parametrize("start", ["JOB_QUEUE", "REDIS"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "six"),
        ("PORT", "6379.5"),
        ("PORT", "70000"),
        ("PORT", "0"),
        ("DB", "-1"),
        ("DB", "main"),
        ("TTL", "1d"),
        ("TTL", "0"),
        ("MAX_CONNECTIONS", "0"),
        ("RETRY_ON_TIMEOUT", "maybe"),
        ("SOCKET_TIMEOUT", "soon"),
        ("SOCKET_TIMEOUT", "nan"),
        ("SOCKET_TIMEOUT", "-1"),
        ("PREFIX", "{jobs}"),
        ("PREFIX", "x" * 300),
        ("MAX_PAYLOAD_BYTES", "1MB"),
        ("URL", "http://host"),
        ("URL", "host:6379"),
        ("URL", "redis://host:port"),
        ("URL", "redis://host:70000"),
        ("URL", "redis://host/database"),
        ("URL", "redis://host/-1"),
        ("URL", "redis://[::1"),
        ("URL", "unix://"),
        ("URL", "rediss://host?ssl_check_hostname=maybe"),
    ],
)
def test_a_malformed_variable_is_named(start, name, text):
    with pytest.raises(ConfigError, match=f"{start}_{name}"):
        JobConfig.from_env({f"{start}_{name}": text})


@pytest.mark.parametrize(
    ("env", "location"),
    [
        (
            {"JOB_QUEUE_URL": "redis://a/1", "JOB_QUEUE_HOST": "b", "REDIS_URL": "redis://c"},
            "redis://a:6379/1",
        ),
        ({"JOB_QUEUE_HOST": "b", "REDIS_URL": "redis://c:1/2"}, "redis://b:6379/0"),
        ({"JOB_QUEUE_PORT": "7000", "REDIS_URL": "redis://c:1/2"}, "redis://localhost:7000/0"),
        ({"REDIS_URL": "redis://c:1/2", "REDIS_HOST": "d"}, "redis://c:1/2"),
        ({"JOB_QUEUE_HOST": "b", "REDIS_PORT": "7001", "REDIS_DB": "4"}, "redis://b:7001/4"),
        ({"JOB_QUEUE_URL": "", "REDIS_URL": "redis://c"}, "redis://c:6379/0"),
        ({"JOB_QUEUE_DB": "5", "REDIS_URL": "redis://c/2"}, "redis://c:6379/5"),
        ({"JOB_QUEUE_DB": "5", "REDIS_URL": "redis://c"}, "redis://c:6379/5"),
        ({"JOB_QUEUE_URL": "redis://a", "JOB_QUEUE_DB": "5"}, "redis://a:6379/5"),
        ({"JOB_QUEUE_URL": "redis://a:1/2", "JOB_QUEUE_DB": "5", "JOB_QUEUE_PORT": "7"}, "redis://a:1/2"),
        ({"JOB_QUEUE_URL": "redis://a", "REDIS_DB": "5", "REDIS_PORT": "7"}, "redis://a:6379/0"),
        ({"JOB_QUEUE_URL": "unix:///s", "JOB_QUEUE_DB": "5", "JOB_QUEUE_PORT": "7"}, "unix:///s?db=5"),
        ({"JOB_QUEUE_URL": "embedded:///d", "JOB_QUEUE_PASSWORD": "s"}, "embedded:///d"),
    ],
)
def test_which_variable_says_where_the_server_is(env, location):
    assert JobConfig.from_env(env).location == location


def test_a_password_may_be_kept_apart_from_the_url():
    env = {
        "JOB_QUEUE_URL": "redis://ann@a",
        "JOB_QUEUE_PASSWORD": "own",
        "REDIS_PASSWORD": "another server's",
    }
    assert JobConfig.from_env(env) == JobConfig("a", username="ann", password="own")
    env["JOB_QUEUE_URL"] = "redis://ann:stated@a"
    assert JobConfig.from_env(env).password == "stated"
    del env["JOB_QUEUE_PASSWORD"]
    env["JOB_QUEUE_URL"] = "redis://a"
    assert JobConfig.from_env(env).password is None


def test_a_parameter_of_a_url_that_is_not_known_is_refused():
    with pytest.raises(ConfigError, match="JOB_QUEUE_URL: unknown parameter 'dbb'; there are db and ssl_"):
        JobConfig.from_env({"JOB_QUEUE_URL": "redis://host?dbb=3"})
    with pytest.raises(ConfigError, match="url: unknown parameter 'socket_timeout'"):
        JobConfig.from_url("redis://host?socket_timeout=1")
    # Others read that one too.
    assert JobConfig.from_env({"REDIS_URL": "redis://host?health_check_interval=30"}) == JobConfig("host")


def test_the_environment_of_the_process_is_read_when_none_is_given(monkeypatch):
    monkeypatch.setenv("JOB_QUEUE_URL", "redis://from-the-environment")
    assert JobConfig.from_env().host == "from-the-environment"
    assert is_configured()


@pytest.mark.parametrize(
    ("env", "configured"),
    [
        ({}, False),
        ({"JOB_QUEUE_HOST": ""}, False),
        ({"REDIS_URL": "redis://x"}, True),
        ({"JOB_QUEUE_TTL": "1"}, False),
    ],
)
def test_whether_the_environment_says_where_the_server_is(env, configured):
    assert is_configured(env) is configured


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("redis://", {}),
        ("redis://host", {"host": "host"}),
        ("redis://host:6380/2", {"host": "host", "port": 6380, "db": 2}),
        ("redis://host?db=4", {"host": "host", "db": 4}),
        ("redis://:secret@host", {"host": "host", "password": "secret"}),
        ("redis://ann:secret@host", {"host": "host", "username": "ann", "password": "secret"}),
        (
            "redis://ann%40org:p%40ss%2Fw%3A%25@host",
            {"username": "ann@org", "password": "p@ss/w:%", "host": "host"},
        ),
        ("redis://[::1]:6380/1", {"host": "::1", "port": 6380, "db": 1}),
        ("redis://:pw@[2001:db8::1]", {"host": "2001:db8::1", "password": "pw"}),
        ("rediss://host", {"host": "host", "ssl": True}),
        (
            "rediss://host?ssl_ca_certs=/ca.pem&ssl_check_hostname=false",
            {
                "host": "host",
                "ssl": True,
                "ssl_options": {"ssl_ca_certs": "/ca.pem", "ssl_check_hostname": "false"},
            },
        ),
        ("unix:///run/redis.sock", {"unix_socket": "/run/redis.sock"}),
        ("unix:///run/redis%20x.sock?db=3", {"unix_socket": "/run/redis x.sock", "db": 3}),
        ("unix://:pw@/run/r.sock", {"unix_socket": "/run/r.sock", "password": "pw"}),
        ("embedded://", {"embedded": ""}),
        ("embedded:///var/data", {"embedded": "/var/data"}),
    ],
)
def test_urls(url, fields):
    assert JobConfig.from_url(url) == JobConfig(**fields)


def test_arguments_go_before_the_url():
    config = JobConfig.from_url("redis://host/2", db=7, prefix="mine:")
    assert (config.host, config.db, config.prefix) == ("host", 7, "mine:")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@host:port",
        "redis://:hunter2@host/x",
        "http://u:hunter2@host",
        "redis://:hunter2@[::1",
    ],
)
def test_no_message_shows_the_password(url):
    with pytest.raises(ConfigError) as raised:
        JobConfig.from_url(url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["redis://u:hunter2@h", "rediss://u:hunter2@h?ssl_password=hunter2", "unix://:hunter2@/s"]
)
def test_neither_repr_nor_location_shows_a_password(url):
    config = JobConfig.from_url(url)
    assert config.password == "hunter2"
    assert "hunter2" not in repr(config) + str(config) + config.location


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("rediss://h", "rediss://h:6379/0"),
        ("unix:///s?db=1", "unix:///s?db=1"),
        ("embedded:///d", "embedded:///d"),
        ("redis://[::1]:6380/1", "redis://[::1]:6380/1"),
    ],
)
def test_a_location_can_be_used_as_a_url_again(url, location):
    assert JobConfig.from_url(url).location == location
    assert JobConfig.from_url(location).location == location


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", "6379"),
        ("port", True),
        ("port", 0),
        ("port", 65536),
        ("db", -1),
        ("db", 1.0),
        ("default_ttl", 0),
        ("default_ttl", None),
        ("max_connections", 0),
        ("max_payload_bytes", 0),
        ("max_payload_bytes", 2**40),
        ("socket_timeout", 0),
        ("socket_timeout", float("nan")),
        ("socket_timeout", float("inf")),
        ("socket_timeout", "5"),
        ("socket_timeout", True),
        ("prefix", ""),
        ("prefix", "a{b"),
        ("prefix", "a}b"),
        ("prefix", 5),
        ("prefix", "x" * 257),
        ("prefix", "\ud800"),
        ("host", ""),
        ("host", None),
    ],
)
def test_a_field_that_can_t_be_used_is_named(field, value):
    with pytest.raises(ConfigError, match=f"^{field}: ") as raised:
        JobConfig(**{field: value})
    assert isinstance(raised.value, ValueError) and isinstance(raised.value, JobQueueError)


def test_a_config_does_not_change():
    with pytest.raises(AttributeError):
        DEFAULT.port = 1  # type: ignore[misc]


def test_with_socket_is_the_same_queue_elsewhere():
    config = JobConfig(embedded="/data", prefix="mine:").with_socket("/run/s.sock")
    assert (config.unix_socket, config.embedded, config.prefix) == ("/run/s.sock", None, "mine:")

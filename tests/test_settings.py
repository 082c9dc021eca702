# SPDX-License-Identifier: Apache-2.0
"""Settings: read once, unknown names are fatal, options win over variables."""

import pytest

from customhouse.domain.errors import InvalidRequest
from customhouse.settings import load, masked


def test_variables_are_typed_and_options_win() -> None:
    environ = {
        "CUSTOMHOUSE_PORT": "9",
        "CUSTOMHOUSE_ALLOW_HOSTS": "a.test,b.test",
        "CUSTOMHOUSE_KEY": "cho_x",
        "PATH": "/",
    }
    settings = load(environ, port=10, host=None)
    assert (settings.port, settings.host, settings.allow_hosts) == (10, "127.0.0.1", ("a.test", "b.test"))
    assert "b.test" in settings.hosts


BAD = [
    # variables, what the refusal names
    ({"CUSTOMHOUSE_PROT": "9"}, "CUSTOMHOUSE_PROT is not a setting"),
    ({"CUSTOMHOUSE_PORT": "nine"}, "port"),
    ({"CUSTOMHOUSE_METRICS_ALLOW": "prometheus.internal"}, "metrics_allow takes addresses and networks"),
    ({"CUSTOMHOUSE_METRICS_ALLOW": ""}, "metrics_allow"),
    ({"CUSTOMHOUSE_METRICS_ALLOW": "none,127.0.0.1"}, "metrics_allow"),
    ({"CUSTOMHOUSE_METRICS_ALLOW": "10.0.0.1/8"}, "host bits"),
    ({"CUSTOMHOUSE_LOG_FORMAT": "xml"}, "log_format"),
    ({"CUSTOMHOUSE_DATABASE": "postgresql://ola:s/cret@db/shop"}, "write a `/` in its password as %2F"),
    ({"CUSTOMHOUSE_DATABASE": "postgresql://ola:s%cret@db/shop"}, "write it as %25"),
    ({"CUSTOMHOUSE_OTLP_ENDPOINT": "http://ola:secret@collector:4318"}, "without credentials"),
    ({"CUSTOMHOUSE_OTLP_ENDPOINT": "http://collector:4318/?token=secret"}, "without credentials and query"),
    ({"CUSTOMHOUSE_OTLP_ENDPOINT": "http://[::1"}, "otlp_endpoint"),
    ({"CUSTOMHOUSE_OTLP_ENDPOINT": "collector:4318"}, "otlp_endpoint"),
    ({"CUSTOMHOUSE_CREDENTIALS": ".customhouse/keys"}, "credentials is the home or the keys"),
    ({"CUSTOMHOUSE_CREDENTIALS": "x/../.customhouse"}, "credentials is the home or the keys"),
]


@pytest.mark.parametrize(("environ", "named"), BAD)
def test_what_is_wrong_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named) as refused:
        load(environ)
    assert "cret" not in str(refused.value), "a password is not repeated"


SHOWN = [
    # a URL, and how it is printed
    ("postgresql://ola:secret@db:5432/shop", "postgresql://ola:***@db:5432/shop"),
    ("postgresql://ola:s#cret@db/shop", "postgresql://ola:***@db/shop"),
    ("postgresql://ola:s?cret@db/shop", "postgresql://ola:***@db/shop"),
    ("postgresql://ola:s[cret@db/shop", "postgresql://ola:***@db/shop"),
    ("postgresql://ola:s:cr@t@db/shop", "postgresql://ola:***@db/shop"),
    ("postgresql://ola:s/cret@db/shop", "postgresql://ola:***@db/shop"),
    ("postgresql://:secret@db/shop", "postgresql://:***@db/shop"),
    ("postgresql://db/shop?user=ola&password=s#c ret&sslmode=require",
     "postgresql://db/shop?user=ola&password=***&sslmode=require"),
    ("postgresql://db:5432/shop?user=ola@acme", "postgresql://db:5432/shop?user=ola@acme"),
    ("postgresql://ola@db:5432/shop", "postgresql://ola@db:5432/shop"),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("url", "shown"), SHOWN)
def test_a_database_is_printed_without_its_password(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4318", "https://[::1]:4318/otlp/"])
def test_an_address_of_a_collector_is_taken(endpoint: str) -> None:
    assert load({}, otlp_endpoint=endpoint).otlp_endpoint == endpoint

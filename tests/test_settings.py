# SPDX-License-Identifier: Apache-2.0
"""Settings: read once, unknown names are fatal, options win over variables."""

import pytest

from customhouse.domain.errors import InvalidRequest
from customhouse.settings import load


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
]


@pytest.mark.parametrize(("environ", "named"), BAD)
def test_what_is_wrong_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        load(environ)

# SPDX-License-Identifier: Apache-2.0
"""Settings: one frozen struct, read once from CUSTOMHOUSE_* variables and options; unknown names are fatal.

Every default is here with its reason. `docs/reference/settings.md` lists the same table, checked by a test.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from customhouse.domain.errors import InvalidRequest

PREFIX: Final = "CUSTOMHOUSE_"
CLIENT_VARIABLES: Final = frozenset({"CUSTOMHOUSE_URL", "CUSTOMHOUSE_KEY"})
"""Read by the command line's client, not settings of a server."""
_SLASH: Final = re.compile(r"\w+://[^@/]*/[^?]*@")
_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_ENDPOINT: Final = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(:\d+)?(/[^\s?#]*)?")
LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
SECRETS: Final = ("webhook_secret", "slack_url", "smtp_password")
"""Settings that are secrets themselves, unless they name a file."""


Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Word = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.:\-]{0,63})?(?![\s\S])")]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The configuration of one process. Each field's variable is CUSTOMHOUSE_ and its name in capitals."""

    home: str = ".customhouse"
    """Directory of the database, keys and lock; 0700."""
    database: str = ""
    """URL of a PostgreSQL database (postgresql://…) that several replicas share; empty is SQLite in `home`."""
    keys: str = ""
    """Directory of the key files, the same on every replica; empty is `keys` in `home`."""
    ticket_key_number: Count = 1
    """Which of the keys that come from the root key signs tickets; the ones before and after it are published, too."""
    credentials: str = ""
    """Directory of the files and commands that providers' keys come from; empty is `credentials` in `home`."""
    replica_name: str = ""
    """What people read of this process in `status` and `--wait`; empty is the machine's name and the port."""
    region: Word = ""
    """Where this replica runs, one word, for routes that look at `region`; empty says nothing."""
    host: str = "127.0.0.1"
    """Address to listen on: this machine only, unless someone says otherwise."""
    port: Port = 8080
    """Port to listen on."""
    allow_hosts: tuple[str, ...] = ()
    """Host headers accepted besides the loopback names and `host`; any other is answered 421."""
    tls_certificate: str | None = None
    """PEM file; with `tls_key`, the gateway speaks TLS."""
    tls_key: str | None = None
    """PEM file of the certificate's private key."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose X-Forwarded-* headers are believed; none by default."""
    issuers: str = ""
    """JSON file of the issuers whose tokens say for whom an application acts; empty trusts none."""
    public_url: str = ""
    """Address under which people reach this installation, for links in answers and messages; its host is accepted."""
    webhook_url: str = ""
    """Tell this https address of approvals that wait, in messages signed with `webhook_secret`."""
    webhook_secret: str = ""
    """`whsec_` and base64 of 24 to 64 random bytes, which the receiver has; or `file:PATH` of a file that holds it."""
    slack_url: str = ""
    """A Slack-compatible incoming webhook to tell of approvals that wait; or `file:PATH` of a file that holds it."""
    smtp_url: str = ""
    """Mail server for approvals that wait: `smtp://USER@HOST:587` (STARTTLS), `smtps://`, or `smtp+plain://`."""
    smtp_password: str = ""
    """Password of the USER in `smtp_url`; or `file:PATH` of a file that holds it."""
    smtp_from: str = ""
    """Mail address that messages come from."""
    smtp_to: tuple[str, ...] = ()
    """Mail addresses that are told of approvals that wait, 20 at most."""
    max_body_bytes: Count = 4 * 1024 * 1024
    """Request bodies above this are answered 413: 4 MiB holds a full 128k-token context with room."""
    max_answer_bytes: Count = 16 * 1024 * 1024
    """An upstream answer above this is an upstream failure."""
    max_turns: Annotated[int, msgspec.Meta(ge=0)] = 256
    """Turns in flight; one more is answered 429. Bounds memory to max_turns x (body + answer)."""
    turn_timeout_s: Count = 300
    """A turn ends after this in any case; longer than the slowest usual generation."""
    connect_timeout_s: Count = 5
    """To open an upstream connection; a deployment that takes longer is down."""
    first_byte_timeout_s: Count = 60
    """Until an upstream's first byte: long prompts are read slowly by self-hosted models."""
    idle_timeout_s: Count = 30
    """Between two pieces of an upstream stream."""
    poll_interval_ms: Count = 250
    """How often pins, keys and people are looked up; a move is in force within this, the budget is 1 s."""
    stale_tools_s: Count = 10
    """Pins that could not be confirmed for this long: tools that write are neither offered nor passed on any more."""
    stale_refuse_s: Count = 30
    """Pins, keys or people that could not be confirmed for this long: every turn is refused, nobody is recognised."""
    ledger_timeout_s: Count = 5
    """Evidence that is not durable within this goes where the assistant's `ledger_failure` says."""
    spool_max_bytes: Annotated[int, msgspec.Meta(ge=1024 * 1024)] = 256 * 1024 * 1024
    """Evidence kept locally at most, 1 MiB at least; beyond it turns are refused. Some 100,000 turns of 2 KB."""
    spool_max_age_s: Count = 3600
    """When the oldest evidence kept locally is older than this, turns are refused: a host may be lost with its disk."""
    payload_retention_days: Count = 184
    """Payloads of older days are taken away, and their records say so; the records themselves stay."""
    shutdown_grace_s: Count = 30
    """How long a stopping server lets turns finish."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Level of the log; `info` has one line for each turn."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """Form of the log on stderr, one line an event; `auto` is text on a terminal and JSON anywhere else."""
    metrics_allow: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses and networks that may read `/metrics` without a key: this machine; `none` is nobody."""
    otlp_endpoint: str = ""
    """OTLP/HTTP collector for spans, without the path `/v1/traces`; needs the extra `otel`. Empty: no spans."""

    @property
    def home_path(self) -> Path:
        """Return the home directory as a path."""
        return Path(self.home)

    @property
    def database_path(self) -> Path:
        """Return where the SQLite file is."""
        return self.home_path / "customhouse.db"

    @property
    def spool_path(self) -> Path:
        """Return the directory of the evidence that is kept while the database does not take it."""
        return self.home_path / "spool"

    @property
    def keys_path(self) -> Path:
        """Return the directory of the key files."""
        return Path(self.keys) if self.keys else self.home_path / "keys"

    @property
    def credentials_path(self) -> Path:
        """Return the directory of providers' credentials."""
        return Path(self.credentials) if self.credentials else self.home_path / "credentials"

    @property
    def shown(self) -> dict[str, object]:
        """Return the settings as they may be printed: what is secret in them is masked."""
        hidden = {name: masked_secret(getattr(self, name)) for name in SECRETS}
        return {
            **msgspec.to_builtins(self),
            **hidden,
            "database": masked(self.database),
            "webhook_url": re.sub(r"^(\w+://[^/?]*[/?]).+", r"\1***", self.webhook_url),
        }

    @property
    def metrics_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks that may read metrics. Raises ValueError where one is none."""
        named = () if self.metrics_allow == ("none",) else self.metrics_allow
        return tuple(ip_network(each.strip()) for each in named)

    @property
    def hosts(self) -> frozenset[str]:
        """Return the host names (without port, lower case) that requests may name."""
        public = _ENDPOINT.fullmatch(self.public_url)
        named = (*LOOPBACK_HOSTS, self.host, *self.allow_hosts, *((public.group(1),) if public else ()))
        return frozenset(name.lower() for name in named)


def masked(url: str) -> str:
    """Return a database URL as it may be printed: without its password."""
    # libpq's authority ends at `/` alone, so a password may hold `?`, `#` and `[`, which other readers of URLs stumble
    # over. One that holds a raw `/` is not a password to libpq, and is hidden all the same.
    shown = re.sub(r"^(\w+://[^:@/]*):(?:[^/]*|[^?]*)@", r"\1:***@", url)
    return re.sub(r"(password=)[^&]*", r"\1***", shown)


def masked_secret(value: str) -> str:
    """Return a secret as it may be printed: only where it is."""
    return value if not value or value.startswith("file:") else "***"


def require_database_url(url: str) -> None:
    """Raise InvalidRequest unless a URL can be PostgreSQL's; what libpq would say of it quotes the password."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise InvalidRequest("database is not a postgresql:// URL; leave it empty for SQLite in the home directory")
    if _SLASH.match(url):
        raise InvalidRequest(
            "database has an `@` after the first `/`: write a `/` in its password as %2F, an `@` as %40"
        )
    if _PERCENT.search(url):
        raise InvalidRequest("database has a `%` that two hexadecimal digits do not follow: write it as %25")


def load(environ: Mapping[str, str], **overrides: object) -> Settings:
    """Read settings; overrides that are None do not count. Raises InvalidRequest naming the variable that is wrong."""
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    values: dict[str, object] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in CLIENT_VARIABLES:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in fields:
            known = ", ".join(sorted(PREFIX + field.upper() for field in fields))
            raise InvalidRequest(f"{variable} is not a setting. Known: {known}")
        values[name] = text.split(",") if fields[name].type == tuple[str, ...] else text
    values.update({name: value for name, value in overrides.items() if value is not None})
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"a setting is not valid: {error}") from error
    _require_sense(settings)
    return settings


def _require_sense(settings: Settings) -> None:
    """Raise InvalidRequest for values that their types allow and nobody means."""
    if settings.database:
        require_database_url(settings.database)
    if settings.credentials_path.resolve() in {settings.home_path.resolve(), settings.keys_path.resolve()}:
        raise InvalidRequest(
            "credentials is the home or the keys: whoever may release could have a provider sent those"
        )
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise InvalidRequest("tls_certificate and tls_key go together: set both or neither")
    try:
        _ = settings.metrics_networks
    except ValueError as error:
        raise InvalidRequest(f"metrics_allow takes addresses and networks, or `none`: {error}") from error
    if settings.public_url and _ENDPOINT.fullmatch(settings.public_url) is None:
        raise InvalidRequest("public_url is not an http(s) address without credentials and query")
    if settings.otlp_endpoint and _ENDPOINT.fullmatch(settings.otlp_endpoint) is None:
        raise InvalidRequest(
            "otlp_endpoint is not an http(s) address without credentials and query; credentials go into "
            "OTEL_EXPORTER_OTLP_HEADERS"
        )

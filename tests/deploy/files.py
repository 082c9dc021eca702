# SPDX-License-Identifier: Apache-2.0
"""What stands in `deploy/`, read as its readers read it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from ruamel.yaml import YAML
from tests.docs.pages import ROOT

DEPLOY: Final = ROOT / "deploy"
COMPOSE: Final = DEPLOY / "compose" / "compose.yaml"
UNIT: Final = DEPLOY / "systemd" / "customhouse.service"
UNIT_SETTINGS: Final = DEPLOY / "systemd" / "customhouse.env"
DOCKERFILE: Final = DEPLOY / "Dockerfile"
PROXY: Final = DEPLOY / "compose" / "haproxy.cfg"
MANIFESTS: Final = tuple(sorted((DEPLOY / "kubernetes").rglob("*.yaml")))
FILES: Final = tuple(sorted(path for path in DEPLOY.rglob("*") if path.is_file() and "secrets" not in path.parts))

Tree = dict[str, Any]


def trees(path: Path) -> tuple[Tree, ...]:
    """Return the documents of a YAML file."""
    reader = YAML(typ="safe", pure=True)
    return tuple(cast("Iterator[Tree]", reader.load_all(path)))


def compose() -> Tree:
    """Return the compose file, its anchors merged."""
    return trees(COMPOSE)[0]


def gateways() -> dict[str, Tree]:
    """Return the compose file's replicas."""
    return {name: found for name, found in compose()["services"].items() if name.startswith("gateway")}


def kubernetes(kind: str) -> list[Tree]:
    """Return the Kubernetes objects of a kind."""
    return [tree for path in MANIFESTS for tree in trees(path) if tree["kind"] == kind]


def pods() -> dict[str, Tree]:
    """Return the pod that each kind of workload describes."""
    return {
        tree["kind"]: tree["spec"]["template"]["spec"] for tree in kubernetes("Deployment") + kubernetes("StatefulSet")
    }


def unit(key: str) -> list[str]:
    """Return every value of a key of the systemd unit, in order."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def variables(text: str) -> dict[str, str]:
    """Return the variables that lines `NAME=value` set."""
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


def image_environment() -> dict[str, str]:
    """Return the CUSTOMHOUSE_* variables of the image."""
    found = re.findall(r"(CUSTOMHOUSE_[A-Z_]+)=(\S+)", DOCKERFILE.read_text(encoding="utf-8"))
    return dict(cast("list[tuple[str, str]]", found))


def environments() -> dict[str, dict[str, str]]:
    """Return the settings of each way to run a replica: what its process gets as CUSTOMHOUSE_* variables."""
    image = image_environment()
    found = {f"compose {name}": {**image, **service["environment"]} for name, service in gateways().items()}
    (config,) = kubernetes("ConfigMap")
    own = {each["name"]: each["value"] for each in pods()["Deployment"]["containers"][0]["env"] if "value" in each}
    found["kubernetes"] = {**image, **config["data"], **own}
    units = dict(line.replace("%S", "/var/lib").replace("%t", "/run").split("=", 1) for line in unit("Environment"))
    found["systemd"] = {**variables(UNIT_SETTINGS.read_text(encoding="utf-8")), **units}
    return found


def duration_s(text: str) -> int:
    """Return the seconds of `45s` or `45`."""
    return int(text.removesuffix("s"))

# SPDX-License-Identifier: Apache-2.0
"""What the files of `deploy/` promise about this program: its settings, paths, ports, times, secrets and users."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.deploy.files import (
    COMPOSE,
    DEPLOY,
    DOCKERFILE,
    FILES,
    PROXY,
    UNIT,
    Tree,
    compose,
    duration_s,
    environments,
    gateways,
    image_environment,
    kubernetes,
    pods,
    trees,
    unit,
)
from tests.docs.pages import ROOT
from tests.gateway.running import documents, running

from customhouse import __version__
from customhouse.settings import CLIENT_VARIABLES, Settings, load

IDS: Final = [str(path.relative_to(DEPLOY)) for path in FILES]
OURS: Final = "10001"
PROBED: Final = frozenset({"/healthz", "/readyz"})
CLOSING_S: Final = 10
"""After its turns are finished a server closes databases and files; the slowest of them has a deadline of 5 s."""
PREPARED: Final = ("startupProbe", "livenessProbe", "readinessProbe")


def probes() -> Iterator[tuple[str, Tree]]:
    for kind, pod in pods().items():
        for name in PREPARED:
            yield f"{kind} {name}", pod["containers"][0][name]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_each_variable_is_a_setting(path: Path) -> None:
    known = {f"CUSTOMHOUSE_{field.name.upper()}" for field in msgspec.structs.fields(Settings)} | CLIENT_VARIABLES
    assert set(re.findall(r"\bCUSTOMHOUSE_[A-Z_]+\b", path.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("way", environments())
def test_a_server_takes_the_settings(way: str) -> None:
    settings = load({**environments()[way], "CUSTOMHOUSE_ALLOW_HOSTS": "gateway.acme.test"})
    assert settings.database.startswith("postgresql://")
    assert "passfile=" in settings.database
    assert settings.port == 8080, "the port that everything else in these files names"
    assert Path(settings.home).is_absolute()
    assert Path(settings.keys).is_absolute()


def test_what_is_probed_answers_to_the_name_that_the_probe_uses(tmp_path: Path) -> None:
    named = {(probe["httpGet"]["path"], probe["httpGet"]["httpHeaders"][0]["value"]) for _, probe in probes()}
    proxy = PROXY.read_text(encoding="utf-8")
    named |= set(re.findall(r"http-check send .* uri (\S+) .* hdr Host (\S+)", proxy))
    urls = re.findall(r"http://(127\.0\.0\.1):8080(/\w+)", COMPOSE.read_text() + UNIT.read_text())
    named |= {(path, host) for host, path in urls}
    assert {path for path, _ in named} == PROBED
    with running(tmp_path / "home", documents("http://127.0.0.1:1/v1")) as gateway:
        for path, host in sorted(named):
            assert gateway.request("GET", path, headers={"host": host}).status == 200, (path, host)


def test_no_probe_restarts_a_replica_because_the_database_is_away() -> None:
    for name, probe in probes():
        alive = name.endswith("livenessProbe")
        assert probe["httpGet"]["path"] == ("/healthz" if alive else "/readyz"), name


def test_nobody_reads_metrics_through_the_proxy() -> None:
    text = PROXY.read_text(encoding="utf-8")
    assert "http-request deny if { path /metrics }" in text
    assert "option forwardfor" in text, "so that a replica knows that a request did not come from the proxy itself"
    assert all("CUSTOMHOUSE_METRICS_ALLOW" not in found for found in environments().values())


def test_ports_agree() -> None:
    assert image_environment()["CUSTOMHOUSE_PORT"] == "8080"
    assert re.findall(r"^EXPOSE (\d+)$", DOCKERFILE.read_text(), re.MULTILINE) == ["8080"]
    assert {service["ports"][0].rpartition(":")[2] for service in gateways().values()} == {"8080"}
    servers = re.findall(r"^    server (\S+) (\S+)$", PROXY.read_text(), re.MULTILINE)
    assert dict(servers) == {name: f"{name}:8080" for name in gateways()}
    bound = re.findall(r"bind :(\d+)", PROXY.read_text())
    assert [compose()["services"]["proxy"]["ports"][0].rpartition(":")[2]] == bound
    for pod in pods().values():
        assert pod["containers"][0]["ports"] == [{"name": "http", "containerPort": 8080}]
    (service,) = kubernetes("Service")
    assert service["spec"]["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]


def test_every_published_port_is_this_machines_alone() -> None:
    published = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_stopping_takes_longer_than_finishing_turns() -> None:
    grace_s = {
        way: load({**found, "CUSTOMHOUSE_ALLOW_HOSTS": "x"}).shutdown_grace_s for way, found in environments().items()
    }
    for name, service in gateways().items():
        assert duration_s(service["stop_grace_period"]) >= grace_s[f"compose {name}"] + CLOSING_S
    assert duration_s(unit("TimeoutStopSec")[0]) >= grace_s["systemd"] + CLOSING_S
    for pod in pods().values():
        sleeping_s = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
        assert pod["terminationGracePeriodSeconds"] >= sleeping_s + grace_s["kubernetes"] + CLOSING_S
    for wait in re.findall(r"timeout (?:client|server) (\d+)s", PROXY.read_text()):
        assert int(wait) > Settings().turn_timeout_s, "the gateway ends a turn, not the proxy"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_no_secret_is_written_down(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(r"-----BEGIN", text) is None
    assert re.search(r"postgres(?:ql)?://[^\s/@]*:[^\s/@]+@", text) is None, "a password in a URL"
    assert re.search(r"\bch[ko]_\w{8}", text) is None
    valued = re.findall(r"^\s*[\w.-]*(?:PASSWORD|SECRET|TOKEN|API_KEY)[\w.-]*\s*[:=]\s*(\S.*)$", text, re.MULTILINE)
    assert [value for value in valued if not value.startswith("/run/secrets/")] == []


def test_secrets_are_files_and_references() -> None:
    assert all(set(secret) == {"file"} for secret in compose()["secrets"].values())
    assert kubernetes("Secret") == []
    for pod in pods().values():
        named = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
        assert named == {"customhouse-keys", "customhouse-database"}
    assert {line.split(":")[0] for line in unit("LoadCredential")} == {
        "root.key",
        "release.key",
        "release.pub",
        "pgpass",
    }


def test_images_are_pinned() -> None:
    built = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    named = [service["image"] for service in compose()["services"].values()]
    for pod in pods().values():
        named += [each["image"] for each in (*pod["initContainers"], *pod["containers"])]
    for image in (*built, *named):
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z]+)*", image), (
            f"{image}: no tag that moves, no registry's host"
        )
    assert {image for image in named if image.startswith("customhouse")} == {f"customhouse:{__version__}"}


def test_the_image_is_made_from_files_that_exist_and_pinned_packages() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    copied = [name for names in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in names.split()]
    assert {"pyproject.toml", "constraints.txt", "src"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    seen = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^!(\S+)$", seen, re.MULTILINE)) == sorted(copied)
    assert "PIP_CONSTRAINT=/source/constraints.txt" in text
    assert re.search(r"index-url|https?://|\bADD\b", text) is None


def test_nothing_runs_as_root_or_writes_but_its_home() -> None:
    assert re.findall(r"^USER (\S+)$", DOCKERFILE.read_text(), re.MULTILINE) == [f"{OURS}:{OURS}"]
    for name, service in gateways().items():
        assert service["user"] == f"{OURS}:{OURS}", name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        home = environments()[f"compose {name}"]["CUSTOMHOUSE_HOME"]
        (volume,) = service["volumes"]
        assert home.startswith(volume.partition(":")[2] + "/")
    assert len({service["volumes"][0] for service in gateways().values()}) == len(gateways()), "a home has one holder"
    for pod in pods().values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in (*pod["initContainers"], *pod["containers"]):
            closed: dict[str, Any] = container["securityContext"]
            assert closed["readOnlyRootFilesystem"] is True
            assert closed["allowPrivilegeEscalation"] is False
            assert closed["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
        mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
        assert environments()["kubernetes"]["CUSTOMHOUSE_HOME"].startswith(mounts["home"]["mountPath"] + "/")
        assert {name for name, mount in mounts.items() if not mount.get("readOnly")} == {"home", "scratch"}
    closed_by = {
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "StateDirectory": "customhouse",
    }
    assert {key: unit(key) for key in closed_by} == {key: [value] for key, value in closed_by.items()}


def test_no_service_of_the_cluster_becomes_a_setting() -> None:
    """A Service named customhouse sets CUSTOMHOUSE_PORT=tcp://… in pods that do not refuse it, and no server starts."""
    for pod in pods().values():
        assert pod["enableServiceLinks"] is False


def test_the_two_workloads_differ_in_their_homes_alone() -> None:
    deployment, statefulset = pods()["Deployment"], pods()["StatefulSet"]
    (home,) = (volume for volume in deployment["volumes"] if volume["name"] == "home")
    assert "emptyDir" in home
    others = [volume for volume in deployment["volumes"] if volume is not home]
    assert {**deployment, "volumes": others} == statefulset
    (owner,) = kubernetes("StatefulSet")
    (claim,) = owner["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "home"
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert set(owner["spec"]["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


def test_the_cluster_keeps_enough_replicas_and_lets_few_in() -> None:
    (budget,) = kubernetes("PodDisruptionBudget")
    (policy,) = kubernetes("NetworkPolicy")
    for kind in ("Deployment", "StatefulSet"):
        (workload,) = kubernetes(kind)
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["replicas"] > budget["spec"]["minAvailable"]
        assert workload["spec"]["selector"]["matchLabels"] == labels
        assert budget["spec"]["selector"]["matchLabels"] == policy["spec"]["podSelector"]["matchLabels"] == labels
        assert {spread["topologyKey"] for spread in pods()[kind]["topologySpreadConstraints"]} >= {
            "kubernetes.io/hostname"
        }
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule.get("from") for rule in policy["spec"]["ingress"])
    assert all(rule.get("to") and rule.get("ports") for rule in policy["spec"]["egress"])


def test_every_object_is_in_the_namespace() -> None:
    for path in sorted((DEPLOY / "kubernetes").rglob("*.yaml")):
        for tree in trees(path):
            if tree["kind"] != "Namespace":
                assert tree["metadata"]["namespace"] == "customhouse", (path.name, tree["kind"])

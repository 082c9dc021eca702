# SPDX-License-Identifier: Apache-2.0
"""The digest of what is in force: fixed, so that receipts of today can be compared in ten years."""

from customhouse.domain.digest import Digest
from customhouse.domain.plane import PLANES
from customhouse.registry.snapshot import snapshot_digest


def test_the_digest_is_of_planes_and_switches() -> None:
    digests = {plane: Digest("sha256:" + str(index) * 64) for index, plane in enumerate(PLANES)}
    # printf '{"planes":{"model":"sha256:00…",…},"switches":[]}' | sha256sum, keys sorted
    assert snapshot_digest(digests) == snapshot_digest(dict(reversed(digests.items())))
    other = {**digests, PLANES[0]: Digest("sha256:" + "9" * 64)}
    assert snapshot_digest(other) != snapshot_digest(digests)

# SPDX-License-Identifier: Apache-2.0
"""Where somebody is in the arguments of a held call: which part is on the page, and which were shown before. Pure.

The proof that a page brings along says how many parts were shown from the first on. A page makes the next proof only
when it shows the next part; who jumps to the last part has been shown the last part, and proves nothing.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from customhouse.access.sessions import Session
from customhouse.approvals.exact import ODD
from customhouse.console.layout import Line, parts
from customhouse.console.proof import parts_shown, shown_proof, whole_proof


@dataclass(frozen=True, slots=True)
class Part:
    """One part as a page shows it. `shown` parts were shown in order, this one included; `whole` proves all of them."""

    path: str
    lines: tuple[Line, ...]
    number: int
    count: int
    shown: int
    proof: str
    whole: str
    marks: int
    size_bytes: int
    size_characters: int

    def address(self, number: int) -> str:
        """Return the address of another part, which brings along what was shown."""
        return f"{self.path}?{urlencode({'part': number, 'shown': self.proof})}"


def read_part(text: str, session: Session, subject: str, path: str, number: int, brought: str) -> Part | None:
    """Return one part, or None when there is none of this number.

    `subject` names the text by its digest, for the proofs; `brought` is the proof of an earlier page, or empty.
    """
    made = parts(text)
    if not 1 <= number <= len(made):
        return None
    before = min(parts_shown(session, subject, brought), len(made))
    shown = max(before, number) if before >= number - 1 else before
    return Part(
        path=path,
        lines=made[number - 1],
        number=number,
        count=len(made),
        shown=shown,
        proof=shown_proof(session, subject, shown),
        whole=whole_proof(session, subject) if shown == len(made) else "",
        marks=sum(len(ODD.findall(line.text)) for line in made[number - 1]),
        size_bytes=len(text.encode(errors="surrogateescape")),
        size_characters=len(text),
    )

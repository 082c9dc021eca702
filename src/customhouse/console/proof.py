# SPDX-License-Identifier: Apache-2.0
"""What a form brings back to prove where it comes from: HMACs under the session's own token. Nothing is stored.

- `form_proof`: the form stood on a page of this session (against CSRF).
- `shown_proof`: the first `parts` parts of exactly these arguments were shown in this session. Part 2's page makes it
  only from part 1's.
- `whole_proof`: all of them were; the last part's page makes it. Without it nothing is approved.

Story: Mallory learns the address of an approval and Dana's e-mail. He can make neither proof, since both take the token
in Dana's cookie; his own session's proofs are of another key. Dana's proof for part 3 of 20 is none for part 20.
"""

import hashlib
import hmac
from typing import Final

from customhouse.access.sessions import Session

_FORM: Final = "form"
_SHOWN: Final = "shown"
_WHOLE: Final = "whole"


def form_proof(session: Session) -> str:
    """Return what each form of this session carries."""
    return _mac(session, _FORM)


def is_form_proof(session: Session, brought: str) -> bool:
    """Return whether a form of this session carries `brought`. Takes as long for every wrong one."""
    return hmac.compare_digest(_mac(session, _FORM).encode(), brought.encode())


def shown_proof(session: Session, subject: str, parts: int) -> str:
    """Return the proof that the first `parts` parts of `subject` were shown; `subject` names content by its digest."""
    return f"{parts}.{_mac(session, _SHOWN, subject, str(parts))}"


def parts_shown(session: Session, subject: str, brought: str) -> int:
    """Return how many parts of `subject` the proof says were shown, 0 for what is none."""
    number = brought.partition(".")[0]
    if not (number.isascii() and number.isdigit()) or len(number) > 6:  # noqa: PLR2004 - far beyond any body's parts
        return 0
    parts = int(number)
    return parts if hmac.compare_digest(shown_proof(session, subject, parts).encode(), brought.encode()) else 0


def whole_proof(session: Session, subject: str) -> str:
    """Return the proof that every part of `subject` was shown."""
    return _mac(session, _WHOLE, subject)


def is_whole_proof(session: Session, subject: str, brought: str) -> bool:
    """Return whether `brought` proves that every part of `subject` was shown."""
    return hmac.compare_digest(whole_proof(session, subject).encode(), brought.encode())


def _mac(session: Session, *what: str) -> str:
    message = "\0".join(("customhouse console v1", *what))
    return hmac.new(session.token.encode(), message.encode(), hashlib.sha256).hexdigest()

# SPDX-License-Identifier: Apache-2.0
"""An approval that waits, as tests tell people of it."""

from customhouse.notify.notice import Notice, link

ID = "01990000-0000-7000-8000-00000000abcd"
PUBLIC = "https://customhouse.acme.test"
WAITING = Notice(
    id=ID,
    occasion="requested",
    tool="issue_refund",
    assistant="customer_support_bot",
    environment="production",
    expires_at_us=1_795_000_000_000_000,
    link=link(PUBLIC, ID),
)

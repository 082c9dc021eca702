# SPDX-License-Identifier: Apache-2.0
"""Debian's chromium, driven by Playwright, one for each file of tests."""

import os
import shutil
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    """Start the browser. It ends with the file: Playwright's event loop stands in the way of other tests' loops."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("the browser tests need Debian's chromium: `make test` installs it, or apt-get install chromium")
    root = ["--no-sandbox"] if os.getuid() == 0 else []  # chromium refuses root otherwise; the pages are our own
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=root)
        try:
            yield browser
        finally:
            browser.close()

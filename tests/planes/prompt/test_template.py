# SPDX-License-Identifier: Apache-2.0
"""What a template may be made of, row by row; everything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.planes.prompt.template import MAX_ITEMS, check_template

VARIABLES = ("name", "vip")

ALLOWED = [
    "",
    "You help {{ name }}.",
    "{% if vip %}Dear {{ name }}{% elif name == 'x' %}x{% else %}y{% endif %}",
    "{{ name if vip and not name in ['a', 'b'] else 'you' }}",
    "{% for word in ['one', 'two'] %}{{ word }} {{ name }}{% else %}none{% endfor %}",
    "{% for n in (1, 2) %}{% if n > 1 %}{{ n }}{% endif %}{% endfor %}",
    "{# a comment #}{% raw %}{{ not a variable }}{% endraw %}",
]

REFUSED = [
    ("{{ unknown }}", "line 1: the undeclared variable unknown is not allowed"),
    ("a\n\n{{ Name }}", "line 3: the undeclared variable Name is not allowed"),
    ("{{ name.x }}", "line 1: the attribute x is not allowed"),
    ("{{ name['__class__'] }}", "line 1: the construct getitem is not allowed"),
    ("{{ name[0:2] }}", "line 1: the construct getitem is not allowed"),
    ("{{ name() }}", "line 1: the construct call is not allowed"),
    ("{{ name | upper }}", "line 1: the filter upper is not allowed"),
    ("{% filter upper %}x{% endfilter %}", "line 1: the construct filterblock is not allowed"),
    ("{% if name is defined %}x{% endif %}", "line 1: the test defined is not allowed"),
    ("{{ 'a' * 1000000000 }}", "line 1: the construct mul is not allowed"),
    ("{{ 9 ** 9 }}", "line 1: the construct pow is not allowed"),
    ("{{ name ~ name }}", "line 1: the construct concat is not allowed"),
    ("{{ 1.5 }}", "line 1: a constant that is no text, whole number, true or false is not allowed"),
    ("{{ {'a': 1} }}", "line 1: the construct dict is not allowed"),
    ("{% set x = 1 %}", "line 1: the construct assign is not allowed"),
    ("{% include 'x' %}", "line 1: the construct include is not allowed"),
    ("{% import 'x' as y %}", "line 1: the construct import is not allowed"),
    ("{% extends 'x' %}", "line 1: the construct extends is not allowed"),
    ("{% block b %}{% endblock %}", "line 1: the construct block is not allowed"),
    ("{% macro m() %}{% endmacro %}", "line 1: the construct macro is not allowed"),
    (
        "{% for c in name %}x{% endfor %}",
        f"line 1: a loop over anything but a written-out list of at most {MAX_ITEMS} entries is not allowed",
    ),
    (
        "{% for a in [" + "1," * 51 + "] %}x{% endfor %}",
        f"line 1: a loop over anything but a written-out list of at most {MAX_ITEMS} entries is not allowed",
    ),
    ("{% for a in [1] %}{% for b in [1] %}x{% endfor %}{% endfor %}", "line 1: a loop inside a loop is not allowed"),
    (
        "{% for a, b in [1] %}x{% endfor %}",
        "line 1: a loop that has not the form {% for name in list %} is not allowed",
    ),
    (
        "{% for a in [1] recursive %}x{% endfor %}",
        "line 1: a loop that has not the form {% for name in list %} is not allowed",
    ),
    (
        "{% for a in [1] if a %}x{% endfor %}",
        "line 1: a loop that has not the form {% for name in list %} is not allowed",
    ),
    ("{% for a in [1] %}{{ loop.index }}{% endfor %}", "line 1: the attribute index is not allowed"),
    ("{% for a in [1] %}x{% endfor %}{{ a }}", "line 1: the undeclared variable a is not allowed"),
    (
        "a\n{% if vip %}",
        "line 2: a template that does not parse (Unexpected end of template.",
    ),
    ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "line 1: a template nested so deeply is not allowed"),
    ("{% if vip %}" * 40 + "{% endif %}" * 40, "line 1: a template nested so deeply is not allowed"),
    ("{{ " + "9" * 5000 + " }}", "line 1: a whole number so long is not allowed"),
    ("{{ 0x" + "f" * 5000 + " }}", "line 1: a whole number so large is not allowed"),
    ("{{ '\\ud800' }}", "line 1: half a character is not allowed"),
    ("{{ name }}" * 3000, "line 1: a template of 3002 parts, more than 2000, is not allowed"),
]


@pytest.mark.parametrize("text", ALLOWED)
def test_allowed(text: str) -> None:
    assert check_template(text, VARIABLES) == ()


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_refused(text: str, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in check_template(text, VARIABLES))


@given(st.text(alphabet="{}%#()[]'\" abname.|~if for in endif\n", max_size=80))
def test_no_text_raises(text: str) -> None:
    assert isinstance(check_template(text, VARIABLES), tuple)

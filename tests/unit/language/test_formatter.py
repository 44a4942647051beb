"""The one layout."""

from __future__ import annotations

import pytest

from congressd.language.formatter import format_text
from congressd.model.errors import CongressError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("  \n\n", ""),
        ("p( 1 , 'a' ) .", "p(1, 'a').\n"),
        ("p(x):-q(x),!r( x,_ ),NOT s", "p(x) :-\n    q(x),\n    not r(x, _),\n    not s\n"),
        ("p(1)\np(2)\n\n\n\np(3)", "p(1)\np(2)\n\np(3)\n"),
        ("p(x):-q(x) r(x):-q(x);", "p(x) :-\n    q(x)\nr(x) :-\n    q(x);\n"),
        ("p(z):-q(x),z=x*( 2+-3 )-1,z!=5", "p(z) :-\n    q(x),\n    z = x * (2 + -3) - 1,\n    z != 5\n"),
        ("p(x) :- nova : servers ( id = x , 2 = -1 )", "p(x) :-\n    nova:servers(id=x, 2=-1)\n"),
        ("execute [ nova:stop ( x ) ] :- p ( x )", "execute[nova:stop(x)] :-\n    p(x)\n"),
        ("p + (1) p-(2) a:b+ (x) :- c - (x)", "p+(1)\np-(2)\na:b+(x) :-\n    c-(x)\n"),
        ("a(x),b(x):-c(x)", "a(x), b(x) :-\n    c(x)\n"),
        ("p(x) :- x+(y) > 1, q(x,y)", "p(x) :-\n    x + (y) > 1,\n    q(x, y)\n"),
        ("p(0x1F, 1.50, .5, 5. , 'a\\'b')", "p(0x1F, 1.50, .5, 5., 'a\\'b')\n"),
        ("p(x) :- not(x+1)<2,q(x)", "p(x) :-\n    not (x + 1) < 2,\n    q(x)\n"),
        ("p(x) :- q(x), x = 5 . q(1)", "p(x) :-\n    q(x),\n    x = 5.\nq(1)\n"),
        ("n(o, count( x )) :- q(o,x)", "n(o, count(x)) :-\n    q(o, x)\n"),
    ],
)
def test_layout(text: str, wanted: str) -> None:
    assert format_text(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("// only this", "// only this\n"),
        ("# a\n\n\n/* b */  // c\n", "# a\n\n/* b */\n// c\n"),
        ("// above\np(1) // behind\n// below", "// above\np(1)  // behind\n// below\n"),
        ("p(x):-//head\n q(x) // first\n ,r(x)//last", "p(x) :-  //head\n    q(x),  // first\n    r(x)  //last\n"),
        ("p(x) :-\n# own\nq(x),\n   // own too\nr(x)", "p(x) :-\n    # own\n    q(x),\n    // own too\n    r(x)\n"),
        ("p(/* in */ x // deep\n) :- q(x)", "p(x) :-  /* in */\n    // deep\n    q(x)\n"),
        ("p(1) /* two\n lines */ q(2)", "p(1)  /* two\n lines */\nq(2)\n"),
        ('p("// no comment", "/* nor */", "# this")', 'p("// no comment", "/* nor */", "# this")\n'),
        ("p(1) // a\n\n// b\n\nq(1)", "p(1)  // a\n\n// b\n\nq(1)\n"),
        ("p(1) // a\n.", "p(1).  // a\n"),
    ],
)
def test_comments_are_kept(text: str, wanted: str) -> None:
    assert format_text(text) == wanted


def test_what_is_no_program_is_refused() -> None:
    with pytest.raises(CongressError, match="Parse failure"):
        format_text("p(x) :- ")

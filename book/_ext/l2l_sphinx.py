"""What the book needs of Sphinx beyond settings: Markdown docstrings and the scoreboard."""

import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

VERDICTS = ("pass", "partial", "fail")
"""Verdicts with a colour of their own (CSS classes); any other is an open one."""

MARKUP = re.compile(
    r"\$\$(?P<block>.+?)\$\$|\$(?P<math>[^$]+?)\$|`(?P<code>[^`]+)`|(?P<special>[\\|*_])",
    re.DOTALL,
)


def markdown_to_rst(app, what, name, obj, options, lines):
    """Rewrite docstrings, which are Markdown in a small way, as autodoc reads them."""

    def one(match):
        if block := match["block"]:
            body = "\n".join("   " + line.strip() for line in block.strip().splitlines())
            return f"\n\n.. math::\n\n{body}\n\n"
        if match["math"]:
            return f":math:`{' '.join(match['math'].split())}`\\ "
        if match["code"]:
            return f"``{match['code']}``\\ "
        return "\\" + match["special"]

    text = MARKUP.sub(one, "\n".join(lines))
    # what follows a displayed formula begins a paragraph of its own, without indentation
    lines[:] = re.sub(r"(\n\n\.\. math::\n\n(?:   .*\n)+\n)[ \t]*", r"\1", text).split("\n")


def skip_fields(app, what, name, obj, skip, options):
    """Leave out the fields of named tuples: the docstring of the tuple describes them."""
    return True if (obj.__doc__ or "").startswith("Alias for field number") else None


class Scoreboard(SphinxDirective):
    """A table of all claims and what `results/` says of them."""

    def run(self):
        from l2l_core.claims import evaluate_all

        claims = evaluate_all()
        verdicts = [claim.verdict for claim in claims]
        total = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        return [
            nodes.paragraph("", f"{len(claims)} claims: {total}."),
            self.table(claims),
        ]

    def table(self, claims):
        """One row a claim."""
        heads, widths = ("Claim", "Paper", "Passes if", "Here"), (38, 14, 24, 24)
        group = nodes.tgroup(cols=len(heads))
        group += [nodes.colspec(colwidth=width) for width in widths]
        head = nodes.row(
            "", *[nodes.entry("", nodes.paragraph("", text)) for text in heads]
        )
        group += nodes.thead("", head)
        group += nodes.tbody("", *[self.row(claim) for claim in claims])
        return nodes.table("", group, classes=["scoreboard"])

    def row(self, claim):
        """What is claimed, where, how it is judged, and the verdict."""
        shade = claim.verdict if claim.verdict in VERDICTS else "open"
        verdict = nodes.inline("", claim.verdict, classes=["verdict", shade])
        cells = [
            self.markdown(f"**{claim.id}.** {claim.text} ({claim.source})"),
            self.markdown(claim.paper),
            self.markdown(claim.rule),
            [nodes.paragraph("", "", verdict), *self.markdown(claim.detail)],
        ]
        return nodes.row("", *[nodes.entry("", *cell) for cell in cells])

    def markdown(self, text):
        """`text` as the page's own Markdown."""
        holder = nodes.container()
        lines = StringList(str(text or "").splitlines(), "claims.yml")
        self.state.nested_parse(lines, 0, holder)
        return holder.children


def no_thebe(app, page, template, context, doctree):
    """Keep sphinx-thebe off the page: it declares constants twice, a console error."""
    if scripts := context.get("script_files"):
        scripts[:] = [
            script for script in scripts if "thebe" not in _content(script).lower()
        ]


def _content(script):
    """A script's address and its inline text."""
    inline = (getattr(script, "attributes", None) or {}).get("body") or ""
    return f"{getattr(script, 'filename', script)} {inline}"


def setup(app):
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", markdown_to_rst)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("html-page-context", no_thebe, priority=900)
    app.add_directive("scoreboard", Scoreboard)
    return {"parallel_read_safe": True}

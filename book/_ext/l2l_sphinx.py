"""What the book needs of Sphinx beyond its settings: docstrings as Markdown, the scoreboard, one tidy-up."""

import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

VERDICTS = {"pass": "pass", "partial": "partial", "fail": "fail"}
"""CSS classes of the scoreboard; any other verdict is an open one."""

MARKUP = re.compile(r"\$\$(?P<block>.+?)\$\$|\$(?P<math>[^$]+?)\$|`(?P<code>[^`]+)`|(?P<special>[\\|*_])", re.DOTALL)


def markdown_to_rst(app, what, name, obj, options, lines):
    """Docstrings are Markdown in a small way ($ mathematics, ` code, no more): write them as autodoc reads them."""

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
    # a line that continues after a displayed formula begins a paragraph of its own, without indentation
    lines[:] = re.sub(r"(\n\n\.\. math::\n\n(?:   .*\n)+\n)[ \t]*", r"\1", text).split("\n")


class Scoreboard(SphinxDirective):
    """A table of all claims and what `results/` says of them."""

    def run(self):
        from l2l_core.claims import evaluate_all

        claims = evaluate_all()
        verdicts = [claim.verdict for claim in claims]
        total = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        return [nodes.paragraph("", f"{len(claims)} claims: {total}."), self.table(claims)]

    def table(self, claims):
        """One row a claim."""
        heads, widths = ("Claim", "Paper", "Passes if", "Here"), (38, 14, 24, 24)
        group = nodes.tgroup(cols=len(heads))
        group += [nodes.colspec(colwidth=width) for width in widths]
        head = nodes.row("", *[nodes.entry("", nodes.paragraph("", text)) for text in heads])
        group += nodes.thead("", head)
        group += nodes.tbody("", *[self.row(claim) for claim in claims])
        return nodes.table("", group, classes=["scoreboard"])

    def row(self, claim):
        """What is claimed, where, how it is judged, and the verdict."""
        verdict = nodes.inline("", claim.verdict, classes=["verdict", VERDICTS.get(claim.verdict, "open")])
        return nodes.row(
            "",
            nodes.entry("", *self.markdown(f"**{claim.id}.** {claim.text} ({claim.source})")),
            nodes.entry("", *self.markdown(claim.paper)),
            nodes.entry("", *self.markdown(claim.rule)),
            nodes.entry("", nodes.paragraph("", "", verdict), *self.markdown(claim.detail)),
        )

    def markdown(self, text):
        """`text` as the page's own Markdown."""
        holder = nodes.container()
        self.state.nested_parse(StringList(str(text or "").splitlines(), "claims.yml"), 0, holder)
        return holder.children


def one_thebe_script(app, page, template, context, doctree):
    """sphinx-thebe declares its constants twice on each page, which is an error on the console: keep none of it."""
    if scripts := context.get("script_files"):
        scripts[:] = [s for s in scripts if "thebe" not in str(getattr(s, "filename", s)) and "THEBE" not in _body(s)]


def _body(script):
    return str((getattr(script, "attributes", None) or {}).get("body") or "")


def setup(app):
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", markdown_to_rst)
    app.connect("html-page-context", one_thebe_script, priority=900)
    app.add_directive("scoreboard", Scoreboard)
    return {"parallel_read_safe": True}

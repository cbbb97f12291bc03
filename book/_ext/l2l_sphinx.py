"""What the book needs of Sphinx beyond settings: Markdown docstrings and tables."""

import inspect
import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.ext.autodoc import DataDocumenter
from sphinx.util.docutils import SphinxDirective

VERDICTS = {"pass": "✓", "partial": "~", "fail": "✗"}
"""Verdicts with a colour (a CSS class) and a sign of their own; any other is open."""
OPEN = "·"

MARKUP = re.compile(
    r"\$\$(?P<block>.+?)\$\$|\$(?P<math>[^$]+?)\$|`(?P<code>[^`]+)`|(?<!\w)\*(?P<stress>\w|\w[^*]*[\w…])\*"
    r"|(?<!\w)(?P<base>[^\W\d_]|∇)(?P<place>[_^])(\{(?P<long>[^}]+)\}|(?P<short>\w))(?!\w)"
    r"|(?P<special>[\\|*_])",
    re.DOTALL,
)


def markdown_to_rst(app, what, name, obj, options, lines):
    """Rewrite docstrings, which are Markdown in a small way, as autodoc reads them."""

    def one(match):
        part = match.groupdict()
        if part["block"]:
            body = "\n".join(
                "   " + line.strip() for line in part["block"].strip().splitlines()
            )
            return f"\n\n.. math::\n\n{body}\n\n"
        if part["math"]:
            return f":math:`{' '.join(part['math'].split())}`\\ "
        if part["code"]:
            return f"``{part['code']}``\\ "
        if part["stress"]:
            return f"*{part['stress']}*\\ "
        if part["base"]:  # as in θ_t or e^{-p}
            role = "sub" if part["place"] == "_" else "sup"
            return f"{part['base']}\\ :{role}:`{part['long'] or part['short']}`\\ "
        return "\\" + part["special"]

    text = MARKUP.sub(one, "\n".join(lines))
    # what follows a displayed formula begins a paragraph of its own, without indentation
    lines[:] = re.sub(r"(\n\n\.\. math::\n\n(?:   .*\n)+\n)[ \t]*", r"\1", text).split("\n")


def skip_fields(app, what, name, obj, skip, options):
    """Leave out fields: the class describes them, their own docstring is Python's."""
    named = (obj.__doc__ or "").startswith("Alias for field number")
    return True if named or inspect.isbuiltin(obj) else None


class Constant(DataDocumenter):
    """A constant is shown with its value if that is short and says something to readers."""

    def should_suppress_value_header(self):
        """True where the docstring has to do."""
        value = repr(self.object)
        opaque = re.search(r" at 0x|Path\(|<built-in|<functools", value)
        return len(value) > 72 or bool(opaque) or super().should_suppress_value_header()


class Expenses(SphinxDirective):
    """A table of what the stored results took to make."""

    def run(self):
        from l2l_core.expenses import expenses, table

        heads, *rows = table(expenses())
        group = nodes.tgroup(cols=len(heads))
        group += [nodes.colspec(colwidth=width) for width in (28, 10, 16, 14, 14, 18)]
        group += nodes.thead("", self.row(heads))
        group += nodes.tbody("", *[self.row(row) for row in rows])
        return [nodes.table("", group, classes=["expenses", "numbers"])]

    def row(self, entries):
        """One line of plain text."""
        return nodes.row("", *[nodes.entry("", nodes.paragraph("", e)) for e in entries])


def shade(verdict):
    """The CSS class of a verdict."""
    return verdict if verdict in VERDICTS else "open"


class Verdicts(SphinxDirective):
    """All claims at a glance: a count for every verdict, and links to the claims' rows."""

    def run(self):
        from l2l_core.claims import evaluate_all

        claims = evaluate_all()
        order = {c.verdict: 0 for c in sorted(claims, key=lambda c: self.place(c.verdict))}
        strips = nodes.definition_list("", classes=["verdicts"])
        for verdict in order:
            found = [claim.id for claim in claims if claim.verdict == verdict]
            term = nodes.inline(
                "", f"{len(found)} {verdict}", classes=["verdict", shade(verdict)]
            )
            chips = nodes.paragraph("", "", *self.chips(found, verdict))
            strips += nodes.definition_list_item(
                "", nodes.term("", "", term), nodes.definition("", chips)
            )
        return [strips]

    def place(self, verdict):
        """Passed first, open last."""
        return [*VERDICTS, verdict].index(verdict)

    def chips(self, names, verdict):
        """A link to each claim's row, with a sign: colour alone says nothing."""
        for name in names:
            text = f"{VERDICTS.get(verdict, OPEN)} {name}"
            chip = nodes.reference("", text, refid=anchor(name), internal=True)
            chip["classes"] = ["chip", shade(verdict)]
            yield chip
            yield nodes.Text(" ")


def anchor(name):
    """Where a claim's row is."""
    return f"claim-{name.lower()}"


class Scoreboard(SphinxDirective):
    """A table of all claims and what `results/` says of them."""

    def run(self):
        from l2l_core.claims import evaluate_all

        return [self.table(evaluate_all())]

    def table(self, claims):
        """One row a claim."""
        heads, widths = ("Claim, source and rule", "Paper", "Here"), (56, 19, 25)
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
        verdict = nodes.inline("", claim.verdict, classes=["verdict", shade(claim.verdict)])
        claimed = self.markdown(f"**{claim.id}.** {claim.text}")
        claimed += [nodes.paragraph("", claim.source, classes=["source"])]
        if claim.rule:
            claimed += [nodes.paragraph("", "", nodes.literal("", claim.rule))]
        here = [nodes.paragraph("", "", verdict)]
        if claim.verdict in VERDICTS:
            here += [nodes.paragraph("", f"{claim.shown}:", classes=["source"])]
        here += self.markdown(claim.detail)
        cells = (claimed, self.markdown(claim.paper), here)
        row = nodes.row("", *[nodes.entry("", *cell) for cell in cells])
        row["ids"] = [anchor(claim.id)]
        return row

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
    app.add_autodocumenter(Constant, override=True)
    app.add_directive("scoreboard", Scoreboard)
    app.add_directive("verdicts", Verdicts)
    app.add_directive("expenses", Expenses)
    return {"parallel_read_safe": True}

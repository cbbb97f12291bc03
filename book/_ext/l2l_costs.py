"""What running a page takes: a line under its title, and a table of all pages."""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxDirective

STATISTICS = "book/statistics"
"""The page that the lines lead to."""


def stored(app):
    """Measured costs by the pages' names as Sphinx has them.

    Entries from before files were noted count as not measured; a test asks for all pages.
    """
    from l2l_core.store import read_json

    table = Path(app.srcdir) / "results" / "pages.json"
    costs = read_json(table).items()
    return {name.removesuffix(".ipynb"): cost for name, cost in costs if "rules" in cost}


def under_the_title(app, doctree):
    """Put a page's cost after its title, where one is stored."""
    from l2l_core.page_cost import summary

    cost = stored(app).get(app.env.docname)
    title = next(iter(doctree.findall(nodes.title)), None)
    if cost is None or title is None:
        return
    line = nodes.paragraph(
        "", f"To run: {', '.join(summary(cost))}. ", classes=["page-cost"]
    )
    line += link(app.env.docname, STATISTICS, "All pages")
    title.parent.insert(title.parent.index(title) + 1, line)


def in_order(source):
    """The book's pages as `_toc.yml` lists them, which is how they are read."""

    def files(node):
        if isinstance(node, list):
            return [name for one in node for name in files(one)]
        own = [node[key] for key in ("root", "file") if key in node]
        return own + [
            name
            for key in ("parts", "chapters", "sections")
            for name in files(node.get(key, []))
        ]

    return files(yaml.safe_load(Path(source, "_toc.yml").read_text(encoding="utf-8")))


def link(here, there, text=""):
    """A reference to another page of the book, by its title where no text is given."""
    target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{there}"}
    target |= {"refdoc": here, "refexplicit": bool(text), "refwarn": True}
    return pending_xref("", nodes.inline("", text), **target)


class PageCosts(SphinxDirective):
    """A table of what every chapter took, and the versions they ran with."""

    def run(self):
        costs = stored(self.env.app)
        order = [name for name in self.env.found_docs if name in costs]
        versions = {tuple(sorted(costs[name]["versions"].items())) for name in order}
        told = "; ".join(
            ", ".join(f"{name} {number}" for name, number in found)
            for found in sorted(versions)
        )
        heads = ("Page", "Seconds", "Memory", "Rules", "Results")
        group = nodes.tgroup(cols=len(heads))
        group += [nodes.colspec(colwidth=width) for width in (48, 13, 13, 13, 13)]
        group += nodes.thead("", self.row([nodes.Text(head) for head in heads]))
        order.sort(key=in_order(self.env.app.srcdir).index)
        group += nodes.tbody("", *[self.page(name, costs[name]) for name in order])
        return [
            nodes.paragraph("", f"Versions: {told}."),
            nodes.table("", group, classes=["numbers"]),
        ]

    def page(self, name, cost):
        """One chapter: a link and its numbers."""
        numbers = (
            cost["seconds"],
            f"{cost['peak_mb']} MB",
            len(cost["rules"]),
            len(cost["results"]),
        )
        return self.row(
            [
                link(self.env.docname, name),
                *map(nodes.Text, map(str, numbers)),
            ]
        )

    def row(self, entries):
        """A line of the table."""
        return nodes.row(
            "", *[nodes.entry("", nodes.paragraph("", "", e)) for e in entries]
        )


def setup(app):
    """Sphinx calls this."""
    app.connect("doctree-read", under_the_title)
    app.add_directive("page-costs", PageCosts)
    return {"parallel_read_safe": True}

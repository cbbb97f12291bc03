"""`CITATION.cff` as BibTeX."""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective


def bibtex(cff):
    """The entry of a software described by `cff`, the content of a CITATION.cff."""
    authors = [
        person.get("name") or f"{person['family-names']}, {person['given-names']}"
        for person in cff["authors"]
    ]
    fields = {
        "title": cff["title"],
        # braces keep the name of a group in one piece
        "author": " and ".join(a if "," in a else f"{{{a}}}" for a in authors),
        "version": cff["version"],
        "url": cff["repository-code"],
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@software{{l2lbook,\n{body}\n}}"


class CiteThis(SphinxDirective):
    """The book's own BibTeX entry."""

    def run(self):
        file = Path(self.env.app.srcdir) / "CITATION.cff"
        self.env.note_dependency(str(file))
        text = bibtex(yaml.safe_load(file.read_text(encoding="utf-8")))
        return [nodes.literal_block(text, text, language="bibtex")]


def setup(app):
    """Sphinx calls this."""
    app.add_directive("cite-this", CiteThis)
    return {"parallel_read_safe": True}

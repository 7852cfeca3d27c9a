"""Self-contained pages: templates, text that cannot break out of them, and Leaflet without a network.

A page is finished by :func:`page_from` (one template) or :func:`finished` (layers): both seal it (maps.pages.sealing).
"""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folium
import xstatic.pkg.leaflet
from branca.element import Element, Figure
from folium.map import Layer
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from maps.pages.sealing import sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

# Data in a page is escaped so that no text can end its script element, start a comment, or break a line in a string.
_SCRIPT_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def script_json(value: Any) -> Markup:
    """Return a value as JSON that is safe inside a ``<script>`` element: ``<``, ``>`` and ``&`` are escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for plain, escaped in _SCRIPT_ESCAPES.items():
        text = text.replace(plain, escaped)
    return Markup(text)


@lru_cache(maxsize=1)
def templates() -> Environment:
    """Return the environment of ``maps/templates``: everything that is not marked safe is escaped."""
    environment = Environment(
        loader=PackageLoader("maps"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["script_json"] = script_json
    return environment


def page_from(template: str, context: Mapping[str, Any]) -> str:
    """Return a page without a map that is one template of ``maps/templates``, with the policy of what is in it."""
    return sealed(templates().get_template(template).render(context))


def finished(page: OfflineMap | Figure) -> str:
    """Return a page of layers as HTML, with the policy of what is in it."""
    source = page.image_source if isinstance(page, OfflineMap) else ""
    text = str(page.get_root().render()).replace("<html>", '<html lang="en">', 1)
    # folium forbids zooming with two fingers; whoever sees badly needs it, and the page says how wide it is itself.
    text = re.sub(r'<meta name="viewport"[^<>]*user-scalable=no[^<>]*>', "", text, count=1)
    return sealed(text, image_source=source)


class Verbatim(Element):
    """Finished text in a page.

    branca's own ``Element`` compiles its text as a Jinja template, and ``MacroElement`` passes its *output* through
    that: an account named ``{{ 7 * 7 }}`` would be computed, and a megabyte of data would be parsed as a template.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def render(self, **kwargs: Any) -> str:
        """Return the text as it is."""
        return self._text


class PageLayer(Layer):
    """A folium layer, or a part of the page, from a template file with macros ``header``, ``html`` and ``script``.

    Parameters
    ----------
    template : str
        File in ``maps/templates``.
    name : str
        Name of the JavaScript variable, the same in every page (folium's own are random).
    label : str or None
        Name in the layer control; None leaves the element out of it.
    show : bool
        Whether the layer is on when the page opens.
    context : mapping
        What the template's macros see as ``this.context``.
    """

    def __init__(
        self,
        template: str,
        name: str,
        *,
        label: str | None = None,
        show: bool = True,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name=label, overlay=True, control=label is not None, show=show and label is not None)
        self._name, self._id = name, "element"
        self._template_file = template
        self.context = dict(context or {})

    def render(self, **kwargs: Any) -> str:
        """Put the template's macros into the page; what stands in the layer's own place is nothing."""
        figure = self.get_root()
        if not isinstance(figure, Figure):
            raise TypeError("a page layer must be added to a map before it is rendered")
        macros = templates().get_template(self._template_file).module
        for part in ("header", "html", "script"):
            macro = getattr(macros, part, None)
            if macro is not None:
                getattr(figure, part).add_child(Verbatim(str(macro(self, kwargs))), name=f"{self.get_name()}_{part}")
        if self.show and self.control and self._parent is not None:
            add = Verbatim(f"{self.get_name()}.addTo({self._parent.get_name()});")
            figure.script.add_child(add, name=f"{self.get_name()}_add")
        return ""


class OfflineMap(folium.Map):
    """A folium map that fetches nothing: Leaflet is in the page, and jQuery and Bootstrap are not needed.

    Parameters
    ----------
    title : str
    crs : str
    image_source : str
        Where the tiles of a street map may come from, as a content security policy names it; ``""`` for nowhere.
    **options
        Options of Leaflet's map.
    """

    default_js: list[tuple[str, str]] = []  # noqa: RUF012 - folium's own attribute, replaced rather than changed
    default_css: list[tuple[str, str]] = []  # noqa: RUF012 - as above

    def __init__(self, title: str, *, crs: str = "EPSG3857", image_source: str = "", **options: Any) -> None:
        super().__init__(location=(0.0, 0.0), zoom_start=3, tiles=None, crs=crs, **options)
        self._id = "territories"
        self.image_source = image_source
        figure = self.get_root()
        if not isinstance(figure, Figure):
            raise TypeError("folium no longer puts a map into a figure")
        _add_head(figure, title, leaflet=True)


def offline_page(title: str) -> Figure:
    """Return a page without a map that fetches nothing; parts are added as :class:`PageLayer` with no label."""
    figure = Figure()
    _add_head(figure, title, leaflet=False)
    return figure


def _add_head(figure: Figure, title: str, *, leaflet: bool) -> None:
    figure.title = str(Markup.escape(title))
    head = templates().get_template("shared/head.html.jinja")
    text = head.render(
        leaflet_css=Markup(leaflet_css()) if leaflet else "",
        leaflet_js=Markup(leaflet_js()) if leaflet else "",
    )
    figure.header.add_child(Verbatim(text), name="page_head")


@lru_cache(maxsize=1)
def leaflet_js() -> str:
    """Return Leaflet's minified source, from the package xstatic-leaflet."""
    source = (_leaflet_folder() / "leaflet.js").read_text(encoding="utf-8")
    return re.sub(r"\n//# sourceMappingURL=.*", "", source)


@lru_cache(maxsize=1)
def leaflet_css() -> str:
    """Return Leaflet's style sheet with its images inside, as data URIs."""
    folder = _leaflet_folder()
    style = (folder / "leaflet.css").read_text(encoding="utf-8")

    def inline(match: re.Match[str]) -> str:
        image = base64.b64encode((folder / match[1]).read_bytes()).decode("ascii")
        return f"url(data:image/png;base64,{image})"

    style = re.sub(r"url\((images/[\w.-]+)\)", inline, style)
    return re.sub(r"\s*behavior: url\(#default#VML\);", "", style)  # Internet Explorer 8's


def _leaflet_folder() -> Path:
    return Path(xstatic.pkg.leaflet.BASE_DIR)

"""Pictures as SVG: one file, readable on light and on dark ground."""

import os
from collections.abc import Sequence
from html import escape

from xtent.command.output import shown

WIDTH = 1200
MARGIN = 24
# A letter of what is faint, in a wide font, and one of a name, which all are as wide.
LETTER, NAME = 7.2, 7.9
STYLE = """
  svg { --ground: #ffffff; --text: #1f2328; --faint: #656d76; --line: #d0d7de; --own: #8c959f;
        --one: #2f81f7; --two: #8957e5; --three: #d29922; --four: #da3633; color-scheme: light dark; }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0d1117; --text: #e6edf3; --faint: #8b949e; --line: #30363d; --own: #6e7681; }
  }
  .ground { fill: var(--ground); }
  text { fill: var(--text); font: 14px system-ui, sans-serif; }
  .title { font-size: 18px; font-weight: 600; }
  .faint { fill: var(--faint); font-size: 12px; }
  .name { font: 13px ui-monospace, monospace; }
  .number { text-anchor: end; }
  .frame { fill: none; stroke: var(--line); }
  .own { fill: var(--own); } .unwritten { fill: url(#unwritten); } .elsewhere { fill: url(#elsewhere); }
  .one { fill: var(--one); } .two { fill: var(--two); } .three { fill: var(--three); } .four { fill: var(--four); }
"""
# By their strokes, and not by colour alone.
PATTERNS = """<defs>
<pattern id="unwritten" width="6" height="6" patternUnits="userSpaceOnUse">
<circle cx="3" cy="3" r="1.2" style="fill: var(--own)"/></pattern>
<pattern id="elsewhere" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="6" height="6" style="fill: var(--own)"/><rect width="3" height="6" style="fill: var(--text)"/></pattern>
</defs>"""


class Drawing:
    """Put together from top to bottom."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.parts: list[str] = []
        self.text(MARGIN, MARGIN + 18, title, "title")

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        of = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{of}>{escape(text)}</text>')

    def box(self, x: float, y: float, width: float, height: float, kind: str, title: str = "") -> None:
        """`kind` is one of the style's, or a colour."""
        look = f'fill="{kind}"' if kind.startswith("hsl") else f'class="{kind}"'
        inside = f"<title>{escape(title)}</title></rect>" if title else "</rect>"
        shape = f'x="{x:.4g}" y="{y:.6g}" width="{width:.4g}" height="{height:.4g}"'
        self.parts.append(f"<rect {shape} {look}>{inside}")

    def legend(self, y: float, entries: Sequence[tuple[tuple[str, ...], str]]) -> float:
        """A box, or a striped one, and words for each; gives where the next thing may be."""
        x = float(MARGIN)
        for looks, words in entries:
            wide = 20 + LETTER * len(words) + 20
            if x + wide > WIDTH and x > MARGIN:
                x, y = float(MARGIN), y + 22
            for at, look in enumerate(looks):
                self.box(x + 15 * at / len(looks), y - 11, 15 / len(looks), 14, look)
            self.text(x + 21, y, words, "faint")
            x += wide
        return y + 24

    def write(self, path: str, height: float) -> None:
        """The picture, under its name whole or not at all."""
        import xtent

        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
            f'aria-label="{escape(self.title)}">'
        )
        ground = f'<rect class="ground" width="{WIDTH}" height="{height:g}"/>'
        lines = [head, f"<style>{STYLE}</style>", PATTERNS, ground, *self.parts, "</svg>", ""]
        with xtent.stage(path, replace=True) as stage:
            left = "\n".join(lines).encode(errors="backslashreplace")
            while left:
                left = left[os.write(stage.fileno(), left) :]


def colour(number: int) -> str:
    """Of one of any number of things: neighbours differ most."""
    return f"hsl({(212 + number * 137.508) % 360:.0f} 62% {(52, 42, 62)[number // 8 % 3]}%)"


def labels(paths: Sequence[str], most: int) -> list[str]:
    """What tells files from each other: their paths beneath the directory that all are in."""
    whole = [os.path.abspath(path) for path in paths]
    above = os.path.commonpath([os.path.dirname(path) for path in whole])
    return [shortened(shown(os.path.relpath(path, above)), most) for path in whole]


def shortened(text: str, most: int) -> str:
    """Its beginning and its end."""
    if len(text) <= most:
        return text
    return f"{text[: most // 3]}…{text[-(most - most // 3 - 1) :]}"

"""Pictures as addresses of data: a page that holds them needs no file beside it."""

from __future__ import annotations

import base64
import io

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

_DARK = (
    "<style>svg{color:#1a1a1a;fill:currentColor}@media(prefers-color-scheme:dark){svg{color:#e8e8e8}}"
    "@media print{svg{color:#000}}</style>"
)
"""A picture in a page knows none of the page's colours; what the reader prefers, it does."""


def picture(pixels: NDArray[np.uint8]) -> str:
    """uint8 (C, height, width) as PNG."""
    buffer = io.BytesIO()
    image = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    Image.fromarray(image).save(buffer, format="PNG")
    return _address("image/png", buffer.getvalue())


def drawn(figure: Figure) -> str:
    """A figure that holds images, as PNG."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=110)
    return _address("image/png", buffer.getvalue())


def plotted(figure: Figure) -> str:
    """A figure of lines and bars, as SVG: black is the text's colour, white the page's, light or dark."""
    buffer = io.StringIO()
    FigureCanvasSVG(figure)
    with mpl.rc_context({"svg.hashsalt": "hagan-bench"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    head, end, body = buffer.getvalue().partition("<defs>")
    body = body.replace("#000000", "currentColor").replace("#ffffff", "none")
    return _address("image/svg+xml", f"{head}{_DARK}{end}{body}".encode())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"

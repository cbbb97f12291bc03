"""Pictures from anywhere as tensors: whatever a reader gives, three colours in [0, 1] come out, or a clear error."""

import base64
import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

MOST_PIXELS = 50_000_000
"""Pictures with more pixels are refused before they are decoded."""
ROUNDING = 1e-3
"""How far beyond [0, 1] a colour may lie, as resizing and normalising leave some."""


def load_image(source: str | Path | BinaryIO) -> Tensor:
    """A picture file as `[3, height, width]` in [0, 1]: red, green and blue.

    Grey pictures and palettes become coloured, transparent parts white, depths of 16 bits are scaled, and a camera's
    orientation is honoured. Pixels that are floating-point numbers lie in [0, 1] already.

    Raises TypeError for what is no file, FileNotFoundError if there is none of that name, ValueError for what is no
    picture, is truncated, has values out of range, or more than `MOST_PIXELS` pixels, ImportError without Pillow.
    """
    if not isinstance(source, str | Path) and not hasattr(source, "read"):
        array = "an array [height, width, 3] of bytes is torch.from_numpy(array).permute(2, 0, 1) / 255"
        raise TypeError(f"expected a picture file or its name, got {type(source).__name__}; {array}")
    _need_pillow()
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = getattr(source, "name", source if isinstance(source, str | Path) else "the picture")
    try:
        with Image.open(source) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise ValueError(f"{name} has {width} × {height} pixels; make it smaller than {MOST_PIXELS:,} in all")
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith(("I", "F")):
                top = 1 if picture.mode == "F" else 65535
                return _deep(np.asarray(picture, dtype=np.float64), top, str(name))
            if "A" in picture.getbands() or "transparency" in picture.info:
                over = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
            pixels = np.array(picture.convert("RGB"))
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a picture that Pillow knows") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} is too large: {error}") from error
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{name} is truncated or damaged: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def _need_pillow() -> None:
    if find_spec("PIL") is None:
        raise ImportError("pictures need Pillow: pip install 'l2l-core[book]'")


def _deep(values: np.ndarray, top: int, name: str) -> Tensor:
    """A grey picture of more than 8 bits a pixel, white at `top`."""
    if not (values.min() >= 0 and values.max() <= top):  # so that NaN is refused too
        raise ValueError(f"{name} has values from {values.min():g} to {values.max():g}; expected 0 to {top}")
    return torch.from_numpy(values / top).float().expand(3, *values.shape).clone()


def square(image: Tensor, side: int) -> Tensor:
    """The square in the middle of `[3, height, width]`, resized to `[3, side, side]` with its details averaged.

    Raises TypeError for what is no tensor; ValueError for one of another shape, of integers, without pixels or with
    values beyond [0, 1], or for `side` < 1.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"expected a picture as a tensor [3, height, width] in [0, 1], got {type(image).__name__}")
    if image.dim() != 3 or len(image) != 3 or not image.numel() or side < 1:
        raise ValueError(f"expected a picture [3, height, width] and a side of 1 or more, got {[*image.shape]}, {side}")
    if not image.is_floating_point():
        raise ValueError(f"expected colours in [0, 1], got {image.dtype}; divide by 255")
    low, high = image.aminmax()
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # so that NaN is refused too
        raise ValueError(f"expected colours in [0, 1], got {float(low):g} … {float(high):g}")
    short = min(image.shape[1:])
    top, left = ((edge - short) // 2 for edge in image.shape[1:])
    middle = image[None, :, top : top + short, left : left + short]
    resized = interpolate(middle, (side, side), mode="bicubic", antialias=True, align_corners=False)
    return resized[0].clamp(0, 1)


def shown(image: Tensor) -> np.ndarray:
    """`[3, height, width]` as matplotlib wants it: `[height, width, 3]`, clipped to [0, 1]; NaN is refused."""
    if not image.isfinite().all():
        raise ValueError(f"{int((~image.isfinite()).sum())} values of the picture are not finite")
    return image.detach().clamp(0, 1).permute(1, 2, 0).cpu().numpy()


def encoded(picture: Tensor, width: int | None = None, **settings: Any) -> bytes:
    """A picture, clipped to [0, 1], as a file: PNG, or what `settings` of Pillow's `save` say; enlarged to `width`.

    Raises ImportError without Pillow, ValueError for a picture that is not finite.
    """
    _need_pillow()
    from PIL import Image

    found, file = Image.fromarray((255 * shown(picture) + 0.5).astype("uint8")), io.BytesIO()
    if width:
        found = found.resize((width, width * found.height // found.width), Image.Resampling.NEAREST)
    found.save(file, **{"format": "PNG", **settings})
    return file.getvalue()


def stored(picture: Tensor, quality: int = 85) -> str:
    """A picture as text, two or three thousand characters at 64 pixels; `loaded` is the inverse but for `quality`."""
    return base64.b64encode(encoded(picture, format="WEBP", quality=quality, method=6)).decode()


def loaded(text: str) -> Tensor:
    """`[3, height, width]` in [0, 1] from what `stored` returned."""
    return load_image(io.BytesIO(base64.b64decode(text)))

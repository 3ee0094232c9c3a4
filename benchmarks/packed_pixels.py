"""Compressed pixels that tests and the fuzz write: JPEG Lossless by the standard, JPEG 2000 by Pillow."""

import struct
from io import BytesIO

import numpy as np
from PIL import Image


def jpeg_2000(pixels: np.ndarray) -> bytes:
    """JPEG 2000 without loss.

    Args:
        pixels: (row, column), unsigned of 16 bits.
    """
    buffer = BytesIO()
    image = Image.fromarray(pixels.astype(np.uint16))
    image.save(buffer, format="JPEG2000", irreversible=False, no_jp2=True)
    return buffer.getvalue()


def jpeg_lossless(pixels: np.ndarray) -> bytes:
    """JPEG Lossless with predictor 1 (ITU T.81, annex H), every category coded in five bits.

    Args:
        pixels: (row, column), unsigned of 16 bits.
    """
    rows, columns = pixels.shape
    frame = struct.pack(">BHHBBBB", 16, rows, columns, 1, 1, 0x11, 0)
    codes = bytes([0, 0, 0, 0, 17]) + bytes(11)
    table = b"\0" + codes + bytes(range(17))
    scan = bytes([1, 1, 0, 1, 0, 0])
    bits = _Bits()
    values = pixels.astype(int)
    for row in range(rows):
        for column in range(columns):
            above = values[row - 1, 0] if row else 1 << 15
            guess = values[row, column - 1] if column else above
            difference = (values[row, column] - guess + 32768) % 65536 - 32768
            size = 16 if difference == -32768 else abs(int(difference)).bit_length()
            bits.put(size, 5)
            if size < 16:
                bits.put(int(difference) - (difference < 0), size)
    parts = [(b"\xff\xc3", frame), (b"\xff\xc4", table), (b"\xff\xda", scan)]
    head = b"".join(mark + struct.pack(">H", len(body) + 2) + body for mark, body in parts)
    return b"\xff\xd8" + head + bits.content() + b"\xff\xd9"


class _Bits:
    """Bits of a JPEG scan, high bit first, with a zero byte stuffed after every 0xFF."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, length: int) -> None:
        """Append the lowest `length` bits of a value."""
        self.text += format(value & (1 << length) - 1, f"0{length}b") if length else ""

    def content(self) -> bytes:
        """All bits, filled up with ones."""
        text = self.text + "1" * (-len(self.text) % 8)
        whole = bytes(int(text[n : n + 8], 2) for n in range(0, len(text), 8))
        return whole.replace(b"\xff", b"\xff\x00")

"""Random shifts and mirrors of images (He et al. 2015, section 4.2)."""

import torch
from torch import Tensor
from torch.nn import functional

SHIFT = 4  # pixels


def shifted_and_mirrored(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image at random by up to 4 pixels, filling with zeros, and mirror it with probability one half.

    Args:
        images: images, ``(B, C, H, W)``.
        generator: generator of the shifts and mirrors.

    Returns:
        Images of the same shape.
    """
    count, _, height, width = images.shape
    down, right = torch.randint(0, 2 * SHIFT + 1, (2, count, 1), generator=generator).to(images.device)
    mirrored = torch.randint(0, 2, (count, 1), generator=generator).bool().to(images.device)
    rows = down + torch.arange(height, device=images.device)  # (B, H)
    columns = right + torch.arange(width, device=images.device)
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = functional.pad(images, (SHIFT,) * 4).permute(0, 2, 3, 1)
    examples = torch.arange(count, device=images.device)[:, None, None]
    moved = padded[examples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return moved.contiguous() if images.device.type == "cpu" else moved  # on a GPU the channels are last in memory

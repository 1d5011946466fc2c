"""Where the images of a training lie: all of them on its device, or in files that batches are read from.

Both give the same batches, to the last bit.
"""

from __future__ import annotations

import abc
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.stack import Reader, Stack


class Feed(abc.ABC):
    """Batches of stored images.

    Args:
        stacks: What there is of the real images, image i of each beside image i of the others.
        device: Where batches are wanted.

    Attributes:
        count: How many images there are.
    """

    def __init__(self, stacks: Sequence[Stack], device: torch.device) -> None:
        self.device = device
        self.count = len(stacks[0])

    @abc.abstractmethod
    def batches(self, order: NDArray[np.intp], size: int) -> Generator[list[Tensor], None, None]:
        """The images of these rows, ``size`` at a time: uint8 (n, ...) of each stack, on the device.

        A batch is to be used before the next one is asked for. Close it to let go of files.
        """


class Resident(Feed):
    """All images lie on the device."""

    def __init__(self, stacks: Sequence[Stack], device: torch.device) -> None:
        super().__init__(stacks, device)
        self.stacks = [torch.from_numpy(np.array(stack.array)).to(device) for stack in stacks]

    def batches(self, order: NDArray[np.intp], size: int) -> Generator[list[Tensor], None, None]:
        """Gathered on the device."""
        rows = torch.from_numpy(order).to(self.device)
        for start in range(0, len(order), size):
            yield [stack[rows[start : start + size]] for stack in self.stacks]


class Streamed(Feed):
    """Images stay in their files. A thread reads a batch while the model trains on the one before."""

    def __init__(self, stacks: Sequence[Stack], device: torch.device) -> None:
        super().__init__(stacks, device)
        self.stacks = stacks
        self.copying = torch.cuda.Stream(device) if device.type == "cuda" else None

    def batches(self, order: NDArray[np.intp], size: int) -> Generator[list[Tensor], None, None]:
        """Read into two buffers in turn."""
        shapes = [(size, *stack.shape[1:]) for stack in self.stacks]
        buffers = [_Buffer(shapes, self.device, self.copying) for _ in range(2)]
        coming: Future[_Buffer] | None = None
        with ExitStack() as files, ThreadPoolExecutor(1, "reading images") as thread:
            readers = [files.enter_context(stack.reading()) for stack in self.stacks]
            for number, start in enumerate(range(0, len(order), size)):
                # What this buffer held was the batch before the one that is yielded now: nobody uses it.
                filling = thread.submit(buffers[number % 2].fill, readers, order[start : start + size])
                if coming is not None:
                    yield coming.result().on_device()
                coming = filling
            if coming is not None:
                yield coming.result().on_device()


class _Buffer:
    """Memory for a batch on its way from files to the device.

    On CUDA it is pinned, and copied from on a stream beside that of the training steps, so that neither these
    nor their process wait for the copy. Only who fills the buffer again does, a step later and in a thread.
    """

    def __init__(
        self, shapes: Sequence[tuple[int, ...]], device: torch.device, copying: torch.cuda.Stream | None
    ) -> None:
        self.device, self.copying = device, copying
        pin = copying is not None
        self.memory = [torch.empty(shape, dtype=torch.uint8, pin_memory=pin) for shape in shapes]
        self.arrays = [memory.numpy() for memory in self.memory]
        self.copied: torch.cuda.Event | None = None
        self.count = 0

    def fill(self, readers: Sequence[Reader], rows: NDArray[np.intp]) -> _Buffer:
        """Read the images of some rows."""
        if self.copied is not None:
            self.copied.synchronize()
        for read, array in zip(readers, self.arrays, strict=True):
            read(rows, array[: len(rows)])
        self.count = len(rows)
        return self

    def on_device(self) -> list[Tensor]:
        """The images, where they are wanted."""
        images = [memory[: self.count] for memory in self.memory]
        if self.copying is None:
            return [part.to(self.device) for part in images]
        steps = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.copying):
            sent = [part.to(self.device, non_blocking=True) for part in images]
            self.copied = self.copying.record_event()
        steps.wait_stream(self.copying)
        for part in sent:
            part.record_stream(steps)
        return sent


def make_feed(stacks: Sequence[Stack], device: torch.device, most: int) -> Feed:
    """Images on the device where they take no more than ``most`` bytes there, else streamed."""
    kind = Resident if sum(stack.nbytes for stack in stacks) <= most else Streamed
    return kind(stacks, device)

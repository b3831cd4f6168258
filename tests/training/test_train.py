"""The optimizer; runs only where torch is installed."""

import pytest

NEEDS = "needs training/requirements.txt (heavy; only for making models)"
torch = pytest.importorskip("torch", reason=NEEDS)
train = pytest.importorskip("training.train", reason=NEEDS)


@pytest.mark.parametrize("shape", [(48, 96), (96, 48), (64, 64)])
def test_a_step_of_the_optimizer_is_that_of_torch(shape):
    torch.manual_seed(2)
    ours, theirs = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
    optimizers = (
        train.Muon([ours], lr=0.02),
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.01, momentum=0.95),
    )
    for _ in range(3):
        ours.grad, theirs.grad = (torch.randn(shape),) * 2
        for optimizer in optimizers:
            optimizer.step()
    assert (ours - theirs).norm() / (
        theirs - torch.ones(shape)
    ).norm() < 0.03  # torch works in bfloat16
    assert (theirs - 1).abs().max() > 0.005

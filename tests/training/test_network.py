"""The network; runs only where torch is installed."""

import pytest

from training import settings

NEEDS = "needs training/requirements.txt (heavy; only for making models)"
torch = pytest.importorskip("torch", reason=NEEDS)
train = pytest.importorskip("training.train", reason=NEEDS)
network = pytest.importorskip("training.network", reason=NEEDS)


def test_a_grown_network_first_answers_exactly_like_the_smaller_one(tmp_path):
    torch.manual_seed(1)
    nano = settings.MODELS["pocket-nano"]
    small = network.Network(nano)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    large = network.grow(small, network.Network(settings.MODELS["pocket-mini"]))
    ids = torch.randint(3, settings.VOCABULARY, (2, 200))
    place, one = torch.arange(200).repeat(2, 1), torch.ones_like(ids)
    expected, grown = (
        net.logits(net(ids, place, one, one * 0).flatten(0, 1)) for net in (small, large)
    )
    assert (expected - grown).abs().max() < 0.15  # bfloat16 products
    (tmp_path / nano.alias).mkdir()
    torch.save({"network": small.state_dict()}, tmp_path / nano.alias / "checkpoint.pt")
    served = train.load(nano, tmp_path)(ids).logits.flatten(0, 1)
    assert (expected - served).abs().max() < 0.15
    assert served.abs().max() > 1


def test_a_branch_sees_the_notes_and_nothing_else_of_a_packed_row():
    torch.manual_seed(2)
    net = network.Network(settings.MODELS["pocket-nano"])
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    ids = torch.randint(3, settings.VOCABULARY, (1, 250))
    # 0 to 49 another conversation; 50 to 149 notes; 150 to 199 and 200 to 249 two requests about them
    sequence = torch.ones_like(ids)
    sequence[:, 50:] = 2
    branch = torch.zeros_like(ids)
    branch[:, 150:200], branch[:, 200:] = 1, 2
    place = torch.cat((torch.arange(50), torch.arange(150), torch.arange(100, 150)))[None]
    packed = net.logits(net(ids, place, sequence, branch)[0, 200:])
    alone = torch.cat((ids[:, 50:150], ids[:, 200:]), 1)
    one = torch.ones_like(alone)
    expected = net.logits(net(alone, torch.arange(150)[None], one, one * 0)[0, 100:])
    assert (packed - expected).abs().max() < 0.15
    assert packed.abs().max() > 1

"""Define the network: a Qwen2 in plain PyTorch, without what training on a CPU does not need.

Parameters carry the names of transformers' Qwen2, so that a checkpoint loads there and the model
builder can read it. Two things here are not in Qwen2: how the first layer starts (`_look_back`),
and how a network grows (`grow`).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .settings import CONTEXT, HEAD, VOCABULARY, Model

BLOCK = 128  # queries
EPSILON = 1e-6
THETA = 10_000.0
FREQUENCIES = THETA ** (-torch.arange(0, HEAD, 2) / HEAD)
# Layer 0 begins with heads that look one, two and three tokens back.
LOOK_BACK = (1, 2, 1, 3)
SHARP, SHARP_FREQUENCIES = 1.6, 10

# Half the bits where the processor can multiply them; elsewhere that would be done in software,
# seven times slower than 32.
HALF = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
NUMBERS = torch.bfloat16 if HALF else torch.float32


class Attention(nn.Module):
    """Causal attention; half as many key and value heads as query heads."""

    def __init__(self, hidden: int, heads: int):
        super().__init__()
        self.heads, self.pairs = heads, heads // 2
        self.q_proj = nn.Linear(hidden, heads * HEAD)
        self.k_proj = nn.Linear(hidden, self.pairs * HEAD)
        self.v_proj = nn.Linear(hidden, self.pairs * HEAD)
        self.o_proj = nn.Linear(heads * HEAD, hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, hidden: Tensor) -> Tensor:
        """Return what each token takes from those that `hidden` lets it see."""
        rows, length, _ = x.shape
        query = self.q_proj(x).view(rows, length, self.heads, HEAD).transpose(1, 2)
        key = self.k_proj(x).view(rows, length, self.pairs, HEAD).transpose(1, 2)
        value = self.v_proj(x).view(rows, length, self.pairs, HEAD).transpose(1, 2)
        seen = _attend(_rotate(query, cos, sin), _rotate(key, cos, sin), value, hidden)
        return self.o_proj(seen.transpose(1, 2).reshape(rows, length, self.heads * HEAD))


def _attend(query: Tensor, key: Tensor, value: Tensor, hidden: Tensor) -> Tensor:
    """Attend in blocks of queries, each with the keys up to its end.

    That is half of what a full square would cost. It is written out, and not as
    scaled_dot_product_attention, because torch.compile then makes code for a CPU that is twice as
    fast.
    """
    rows, heads, length, size = query.shape
    pairs = key.shape[1]
    query = query * size**-0.5
    seen = []
    for begin in range(0, length, BLOCK):
        end = min(length, begin + BLOCK)
        count = end - begin
        queries = query[:, :, begin:end].reshape(rows * pairs, heads // pairs * count, size)
        keys = key[:, :, :end].reshape(rows * pairs, end, size)
        values = value[:, :, :end].reshape(rows * pairs, end, size)
        scores = torch.bmm(queries, keys.transpose(1, 2)).view(rows, heads, count, end).float()
        weights = torch.softmax(scores + hidden[:, None, begin:end, :end], -1).to(query.dtype)
        weights = weights.view(rows * pairs, heads // pairs * count, end)
        seen.append(torch.bmm(weights, values).view(rows, heads, count, size))
    return torch.cat(seen, 2)


class FeedForward(nn.Module):
    """The gated feed-forward part of a layer."""

    def __init__(self, hidden: int, intermediate: int):
        super().__init__()
        self.gate_proj = nn.Linear(hidden, intermediate, bias=False)
        self.up_proj = nn.Linear(hidden, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer adds to each token by itself."""
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Norm(nn.Module):
    """Root mean square normalization with a weight for each channel."""

    def __init__(self, hidden: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalized states."""
        return functional.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), EPSILON)


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and added to the residual stream."""

    def __init__(self, model: Model):
        super().__init__()
        self.self_attn = Attention(model.hidden, model.heads)
        self.mlp = FeedForward(model.hidden, model.intermediate)
        self.input_layernorm = Norm(model.hidden)
        self.post_attention_layernorm = Norm(model.hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, hidden: Tensor) -> Tensor:
        """Return the residual stream behind this layer."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, hidden)
        return x + self.mlp(self.post_attention_layernorm(x))


class Stack(nn.Module):
    """Embeddings, layers and the last norm, named as in Qwen2."""

    def __init__(self, model: Model):
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, model.hidden)
        self.layers = nn.ModuleList(Layer(model) for _ in range(model.layers))
        self.norm = Norm(model.hidden)


class Network(nn.Module):
    """Token ids in, hidden states out; `logits` turns chosen states into scores.

    Input and output embeddings are one.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, model: Model):
        super().__init__()
        self.model = Stack(model)
        angles = torch.arange(CONTEXT)[:, None] * FREQUENCIES
        self.register_buffer("cos", angles.cos().to(NUMBERS), persistent=False)
        self.register_buffer("sin", angles.sin().to(NUMBERS), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        _look_back(self.model.layers[0].self_attn)

    def forward(self, ids: Tensor, position: Tensor, sequence: Tensor, branch: Tensor) -> Tensor:
        """Return normalized hidden states (rows, length, hidden), as `NUMBERS`.

        All arguments are (rows, length). A token sees those before it in the same `sequence`: of
        the same `branch`, of branch 0, or all if its branch is 0.
        """
        cos, sin = self.cos[position][:, None], self.sin[position][:, None]
        order = torch.arange(ids.shape[1])
        seen = (order[:, None] >= order) & (sequence[:, :, None] == sequence[:, None])
        seen &= (
            (branch[:, None] == 0)
            | (branch[:, :, None] == branch[:, None])
            | (branch[:, :, None] == 0)
        )
        hidden = torch.where(seen, 0.0, -1e9).to(NUMBERS)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=HALF):
            x = self.model.embed_tokens(ids).to(NUMBERS)
            for layer in self.model.layers:
                x = layer(x, cos, sin, hidden)
            return self.model.norm(x)

    def logits(self, states: Tensor) -> Tensor:
        """Return the scores (n, vocabulary) of states (n, hidden) in 32 bits."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=HALF):
            return functional.linear(states, self.model.embed_tokens.weight).float()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


@torch.no_grad()
def _look_back(attention: Attention) -> None:
    """Set the biases so that a head attends to the token a fixed distance back, whatever it is.

    Copying a word needs a head that knows which token came before each token. Found by training
    alone that takes thousands of steps; begun here, 200 are enough for a start. Training is free to
    change it.
    """
    plain = torch.where(torch.arange(HEAD // 2) < SHARP_FREQUENCIES, SHARP, 0.0)
    for head in range(attention.heads):
        angle = -LOOK_BACK[head % len(LOOK_BACK)] * FREQUENCIES
        attention.q_proj.bias[head * HEAD : (head + 1) * HEAD] = torch.cat(
            (plain * angle.cos(), plain * angle.sin())
        )
        pair = head // 2
        attention.k_proj.bias[pair * HEAD : (pair + 1) * HEAD] = torch.cat(
            (plain, torch.zeros(HEAD // 2))
        )


@torch.no_grad()
def grow(small: Network, large: Network) -> Network:
    """Copy a trained smaller network into a larger one, so that at first it answers the same.

    New channels of the residual stream are written by nothing yet, and what new heads, neurons and
    layers write is zero; both are read by random weights, so that training can begin to use them.
    """
    narrow, wide = small.model, large.model
    hidden, full = narrow.norm.weight.shape[0], wide.norm.weight.shape[0]
    # A root mean square over more channels, the new ones being zero, is smaller by this.
    scale = math.sqrt(hidden / full)
    _place(wide.embed_tokens.weight, narrow.embed_tokens.weight, zero=True)
    _place(wide.norm.weight, narrow.norm.weight * scale)
    for number, layer in enumerate(wide.layers):
        for name, weight in layer.named_parameters():
            writes = name.endswith(("o_proj.weight", "down_proj.weight"))
            if number >= len(narrow.layers):
                if writes:
                    weight.zero_()
                continue
            old = narrow.layers[number].get_parameter(name)
            _place(weight, old * scale if "norm" in name else old, zero=writes)
    return large


def _place(target: Tensor, source: Tensor, zero: bool = False) -> None:
    """Write `source` into the first rows and columns of `target`; the rest stays or is zeroed."""
    if zero:
        target.zero_()
    target[tuple(slice(0, size) for size in source.shape)] = source

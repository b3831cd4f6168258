"""The network itself: a Qwen2 in plain PyTorch, without what training on a CPU does not need.

Parameters carry the names of transformers' Qwen2, so that a checkpoint loads there and the model builder can read it.
Two things here are not in Qwen2: how the first layer starts (`_look_back`), and how a network grows (`grow`).
"""

import math

import torch
from settings import CONTEXT, HEAD, VOCABULARY
from torch import nn
from torch.nn import functional

BLOCK = 128  # queries
EPSILON = 1e-6
THETA = 10_000.0
FREQUENCIES = THETA ** (-torch.arange(0, HEAD, 2) / HEAD)
# Layer 0 begins with heads that look one, two and three tokens back.
LOOK_BACK = (1, 2, 1, 3)
SHARP, SHARP_FREQUENCIES = 1.6, 10


# Half the bits where the processor can multiply them; elsewhere that would be done in software, seven times slower than 32.
HALF = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
NUMBERS = torch.bfloat16 if HALF else torch.float32


class Attention(nn.Module):
    """Causal attention; half as many key and value heads as query heads."""

    def __init__(self, hidden, heads):
        super().__init__()
        self.heads, self.pairs = heads, heads // 2
        self.q_proj = nn.Linear(hidden, heads * HEAD)
        self.k_proj = nn.Linear(hidden, self.pairs * HEAD)
        self.v_proj = nn.Linear(hidden, self.pairs * HEAD)
        self.o_proj = nn.Linear(heads * HEAD, hidden, bias=False)

    def forward(self, x, cos, sin, hidden):
        rows, length, _ = x.shape
        query = _rotate(
            self.q_proj(x).view(rows, length, self.heads, HEAD).transpose(1, 2), cos, sin
        )
        key = _rotate(self.k_proj(x).view(rows, length, self.pairs, HEAD).transpose(1, 2), cos, sin)
        value = self.v_proj(x).view(rows, length, self.pairs, HEAD).transpose(1, 2)
        seen = _attend(query, key, value, hidden)
        return self.o_proj(seen.transpose(1, 2).reshape(rows, length, self.heads * HEAD))


def _attend(query, key, value, hidden):
    """Attention in blocks of queries, each with the keys up to its end: half of what a full square would cost.

    Written out, and not as scaled_dot_product_attention, because torch.compile then makes code for a CPU that is twice as fast.
    """
    rows, heads, length, size = query.shape
    pairs = key.shape[1]
    query = query * size**-0.5
    seen = []
    for begin in range(0, length, BLOCK):
        end = min(length, begin + BLOCK)
        count = end - begin
        of_block = query[:, :, begin:end].reshape(rows * pairs, heads // pairs * count, size)
        scores = torch.bmm(
            of_block, key[:, :, :end].reshape(rows * pairs, end, size).transpose(1, 2)
        )
        scores = scores.view(rows, heads, count, end).float() + hidden[:, None, begin:end, :end]
        weights = (
            torch.softmax(scores, -1)
            .to(query.dtype)
            .view(rows * pairs, heads // pairs * count, end)
        )
        seen.append(
            torch.bmm(weights, value[:, :, :end].reshape(rows * pairs, end, size)).view(
                rows, heads, count, size
            )
        )
    return torch.cat(seen, 2)


class FeedForward(nn.Module):
    def __init__(self, hidden, intermediate):
        super().__init__()
        self.gate_proj = nn.Linear(hidden, intermediate, bias=False)
        self.up_proj = nn.Linear(hidden, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Norm(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return functional.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), EPSILON)


class Layer(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.self_attn = Attention(model.hidden, model.heads)
        self.mlp = FeedForward(model.hidden, model.intermediate)
        self.input_layernorm = Norm(model.hidden)
        self.post_attention_layernorm = Norm(model.hidden)

    def forward(self, x, cos, sin, hidden):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, hidden)
        return x + self.mlp(self.post_attention_layernorm(x))


class Stack(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, model.hidden)
        self.layers = nn.ModuleList(Layer(model) for _ in range(model.layers))
        self.norm = Norm(model.hidden)


class Network(nn.Module):
    """Token ids in, hidden states out; `logits` turns chosen states into scores. Input and output embeddings are one."""

    def __init__(self, model):
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

    def forward(self, ids, position, sequence, branch):
        """All (rows, length) -> normalised hidden states (rows, length, hidden), as `NUMBERS`.

        A token sees those before it in its own `sequence`: of its own `branch`, of branch 0, or all if its branch is 0.
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

    def logits(self, states):
        """states (n, hidden) -> scores (n, vocabulary) in 32 bits."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=HALF):
            return functional.linear(states, self.model.embed_tokens.weight).float()


def _rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


@torch.no_grad()
def _look_back(attention, first_head=0):
    """Sets the biases so that a head attends to the token a fixed distance back, whatever the tokens are.

    Copying a word needs a head that knows which token came before each token. Found by training alone that takes
    thousands of steps; begun here, 200 are enough for a start. Training is free to change it.
    """
    plain = torch.where(torch.arange(HEAD // 2) < SHARP_FREQUENCIES, SHARP, 0.0)
    for head in range(first_head, attention.heads):
        angle = -LOOK_BACK[head % len(LOOK_BACK)] * FREQUENCIES
        attention.q_proj.bias[head * HEAD : (head + 1) * HEAD] = torch.cat(
            (plain * angle.cos(), plain * angle.sin())
        )
        pair = head // 2
        attention.k_proj.bias[pair * HEAD : (pair + 1) * HEAD] = torch.cat(
            (plain, torch.zeros(HEAD // 2))
        )


@torch.no_grad()
def grow(small, large):
    """Copies a trained smaller network into a larger one, so that at first it answers exactly the same.

    New channels of the residual stream are written by nothing yet, and what new heads, neurons and layers write is zero;
    both are read by random weights, so that training can begin to use them.
    """
    narrow, wide = small.model, large.model
    hidden, full = narrow.norm.weight.shape[0], wide.norm.weight.shape[0]
    scale = math.sqrt(
        hidden / full
    )  # a root mean square over more channels, the new ones being zero, is smaller by this
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


def _place(target, source, zero=False):
    """Writes `source` into the first rows and columns of `target`; the rest stays, or becomes zero."""
    if zero:
        target.zero_()
    target[tuple(slice(0, size) for size in source.shape)] = source

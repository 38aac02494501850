"""One plan of the transformer of docs/networks.md in PyTorch, eager, as its authors run it: each of K steps evaluates the network twice, 2 K calls a plan, all of it in each.

Reads the file that ReferenceNetwork.Write writes; answers each line on standard input with the plan's numbers.
"""
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, x):
        batch, rows, width = x.shape
        q, k, v = self.qkv(x).view(batch, rows, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(width // self.heads)
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, rows, width))


class Block(nn.Module):
    def __init__(self, width, heads, expansion):
        super().__init__()
        self.modulation = nn.Linear(width, 6 * width)
        self.attention = Attention(width, heads)
        self.up, self.down = nn.Linear(width, expansion * width), nn.Linear(expansion * width, width)
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)

    def forward(self, h, e):
        s1, k1, g1, s2, k2, g2 = self.modulation(functional.silu(e)).unsqueeze(1).chunk(6, -1)
        h = self.norm(h) * (1 + k1) + s1
        h = h + g1 * self.attention(h)
        return h + g2 * self.down(functional.gelu(self.up(self.norm(h) * (1 + k2) + s2), approximate="tanh"))


class Network(nn.Module):
    def __init__(self, length, dims, width, heads, expansion, depth, attributes, condition_width, condition_heads):
        super().__init__()
        self.attributes, self.condition_width = attributes, condition_width
        self.noise = nn.Sequential(nn.Linear(1, width), nn.Mish(), nn.Linear(width, width))
        self.condition_in = nn.Linear(attributes, attributes * condition_width)
        self.condition = Attention(condition_width, condition_heads)
        self.project = nn.Linear(attributes * condition_width, width)
        self.tokens = nn.Linear(dims, width)
        self.blocks = nn.ModuleList(Block(width, heads, expansion) for _ in range(depth))
        self.head_modulation, self.head = nn.Linear(width, 2 * width), nn.Linear(width, dims)
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(width // 2) / (width / 2 - 1))
        self.register_buffer("positions", torch.cat([angle.sin(), angle.cos()], 1))

    def forward(self, x, c, condition):
        k = self.condition_in(condition).view(-1, self.attributes, self.condition_width)
        e = self.noise(c) + self.project(self.condition(k).flatten(1))
        h = self.tokens(x) + self.positions
        for block in self.blocks:
            h = block(h, e)
        s, k = self.head_modulation(functional.silu(e)).unsqueeze(1).chunk(2, -1)
        return self.head(self.norm(h) * (1 + k) + s)

    def linears(self):
        """In the order of the document."""
        yield from (self.noise[0], self.noise[2], self.condition_in, self.condition.qkv, self.condition.out, self.project, self.tokens)
        for b in self.blocks:
            yield from (b.modulation, b.attention.qkv, b.attention.out, b.up, b.down)
        yield from (self.head_modulation, self.head)


def main(path):
    torch.set_num_threads(1)
    with open(path, "rb") as file:
        length, dims, width, heads, expansion, depth, attributes, condition_width, condition_heads, steps = map(int, np.fromfile(file, np.int32, 10))
        data, smallest, largest, rho = map(float, np.fromfile(file, np.float64, 4))
        network = Network(length, dims, width, heads, expansion, depth, attributes, condition_width, condition_heads).eval()

        def read(shape):
            return torch.from_numpy(np.fromfile(file, np.float32, math.prod(shape)).reshape(shape))

        with torch.no_grad():
            for linear in network.linears():
                linear.weight.copy_(read(linear.weight.shape))
                linear.bias.copy_(read(linear.bias.shape))
        condition, noise, present = read((1, attributes)), read((1, length, dims)), read((dims,))
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    sigmas = torch.cat([(largest ** (1 / rho) + ramp * (smallest ** (1 / rho) - largest ** (1 / rho))) ** rho, torch.zeros(1, dtype=torch.float64)])

    def denoise(y, sigma):
        total = data**2 + sigma**2
        f = network((y / total.sqrt()).float(), (sigma.log() / 4).float().view(1, 1), condition)
        return y * (data**2 / total) + f * (sigma * data / total.sqrt())

    for _ in sys.stdin:
        with torch.no_grad():
            y = (noise * sigmas[0]).double()
            y[:, 0] = present
            for sigma, following in zip(sigmas[:-1], sigmas[1:]):
                y = y + (following - sigma) * (y - denoise(y, sigma)) / sigma
                y[:, 0] = present
                denoise(y, following.clamp(min=smallest))  # evaluated, and not used
        print(" ".join(f"{v:.9g}" for v in y.flatten().tolist()), flush=True)


main(sys.argv[1])

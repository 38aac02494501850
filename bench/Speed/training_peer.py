"""Training of both networks in eager PyTorch, as its user would write it well: written from docs/networks.md alone, to stand beside ours in 'mimicd bench speed --only training'.

Usage: training_peer.py SPEC.json IN.safetensors
IN holds the weights of all agents and, for each agent i, ready-made batches `batch.i.*` [K, B, ...] and the demonstrations' rows `data.i.plan` and `data.i.condition`, both normalised.
It answers lines on stdin, one line each:
  loss              the summed loss of the first ready-made batch without dropout, and the norm of its gradient
  threads E P       element-wise threads of libtorch, and threads of OpenBLAS
  go NAME N         seconds, and seconds of processor time, of N steps; NAME is 'ready' (batches are there) or 'made' (numpy makes them on another thread, one step ahead), then '-foreach' or '-single' for the optimizer
"""
import ctypes
import json
import math
import queue
import struct
import sys
import threading
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def load(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        body = file.read()
    header.pop("__metadata__", None)
    return {k: np.frombuffer(body[slice(*v["data_offsets"])], np.float32).reshape(v["shape"]).copy() for k, v in header.items()}


class Mlp(nn.Module):
    def __init__(self, s):
        super().__init__()
        w, r, q = s["width"], s["width"] * s["expansion"], s["condition"] * (1 + 2 * s["octaves"])
        self.noise = nn.Sequential(nn.Linear(1, w), nn.Mish(), nn.Linear(w, w))
        self.condition = nn.Sequential(nn.Linear(q, w), nn.Mish(), nn.Linear(w, w), nn.Mish())
        self.input = nn.Linear(s["length"] * s["dimensions"], w)
        self.blocks = nn.ModuleList()
        for _ in range(s["depth"]):
            block = nn.Module()
            block.norm = nn.LayerNorm(w, eps=1e-6, elementwise_affine=False)
            block.up, block.noise, block.condition, block.down = nn.Linear(w, r), nn.Linear(w, r, bias=False), nn.Linear(w, r, bias=False), nn.Linear(r, w)
            self.blocks.append(block)
        self.norm = nn.LayerNorm(w, eps=1e-6, elementwise_affine=False)
        self.head = nn.Linear(w, s["length"] * s["dimensions"])
        self.dropout = nn.Dropout(s["dropout"])

    def forward(self, x, noise, condition, kept):
        n, f = self.noise(noise), self.condition(condition)
        h = self.input(x) + f
        for b in self.blocks:
            u = b.up(b.norm(h)) + b.noise(n) + b.condition(f)
            h = h + b.down(self.dropout(F.mish(u)))
        return self.head(self.norm(h))


class SelfAttention(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.qkv, self.out, self.heads, self.dropout = nn.Linear(width, 3 * width), nn.Linear(width, width), heads, nn.Dropout(dropout)

    def forward(self, x):
        b, t, w = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        weights = self.dropout(torch.softmax(q @ k.transpose(-2, -1) * (w // self.heads) ** -0.5, dim=-1))
        return self.out((weights @ v).transpose(1, 2).reshape(b, t, w))


class Dit(nn.Module):
    def __init__(self, s):
        super().__init__()
        w, c, a, d = s["width"], s["conditionWidth"], s["condition"], s["dimensions"]
        self.a, self.c, self.d = a, c, d
        self.noise = nn.Sequential(nn.Linear(1, w), nn.Mish(), nn.Linear(w, w))
        self.condition_in, self.condition_attention = nn.Linear(a, a * c), SelfAttention(c, s["conditionHeads"], 0.0)
        self.project = nn.Linear(a * c, w)
        self.tokens = nn.Linear(d, w)
        self.norm = nn.LayerNorm(w, eps=1e-6, elementwise_affine=False)
        self.blocks = nn.ModuleList()
        for _ in range(s["depth"]):
            block = nn.Module()
            block.modulation, block.attention = nn.Linear(w, 6 * w), SelfAttention(w, s["heads"], s["dropout"])
            block.up, block.down, block.dropout = nn.Linear(w, s["expansion"] * w), nn.Linear(s["expansion"] * w, w), nn.Dropout(s["dropout"])
            self.blocks.append(block)
        self.head_modulation, self.head = nn.Linear(w, 2 * w), nn.Linear(w, d)
        t, j = torch.arange(s["window"], dtype=torch.float64)[:, None], torch.arange(w // 2, dtype=torch.float64)[None]
        angle = t / 10000 ** (j / (w // 2 - 1))
        self.register_buffer("positions", torch.cat([angle.sin(), angle.cos()], -1).float())

    def forward(self, x, noise, condition, kept):
        k = self.condition_in(condition).view(-1, self.a, self.c)
        if kept is not None:
            k = k * kept[:, :, None]
        e = F.silu(self.noise(noise) + self.project(self.condition_attention(k).flatten(1)))
        h = self.tokens(x.view(x.shape[0], -1, self.d)) + self.positions
        for b in self.blocks:
            s1, k1, g1, s2, k2, g2 = b.modulation(e)[:, None].chunk(6, -1)
            h = self.norm(h) * (1 + k1) + s1
            h = h + g1 * b.attention(h)
            h = h + g2 * b.down(b.dropout(F.gelu(b.up(self.norm(h) * (1 + k2) + s2), approximate="tanh")))
        s, k = self.head_modulation(e)[:, None].chunk(2, -1)
        return self.head(self.norm(h) * (1 + k) + s).flatten(1)


def names(kind, depth):
    """Our name of each weight by the module's."""
    table = {"noise.0": "noise.0", "noise.2": "noise.2"}
    if kind == "mlp":
        table.update({n: n for n in ("condition.0", "condition.2", "input", "head")})
        table.update({f"blocks.{i}.{n}": f"blocks.{i}.{n}" for i in range(depth) for n in ("up", "noise", "condition", "down")})
        return table
    table.update({"condition_in": "condition.in", "condition_attention.qkv": "condition.qkv", "condition_attention.out": "condition.out", "project": "condition.project", "tokens": "tokens"})
    for i in range(depth):
        b = f"blocks.{i}."
        table.update({b + "modulation": b + "modulation", b + "attention.qkv": b + "qkv", b + "attention.out": b + "out", b + "up": b + "up", b + "down": b + "down"})
    table.update({"head_modulation": "head.modulation", "head": "head.out"})
    return table


class Training:
    def __init__(self, spec, tensors):
        self.spec = spec
        self.random = np.random.default_rng(1)
        torch.manual_seed(1)
        self.networks = nn.ModuleList([(Mlp if spec["kind"] == "mlp" else Dit)(spec) for _ in range(spec["agents"])])
        for i, network in enumerate(self.networks):
            own, ours = dict(network.named_parameters()), names(spec["kind"], spec["depth"])
            with torch.no_grad():
                for name, parameter in own.items():
                    module, kind = name.rsplit(".", 1)
                    parameter.copy_(torch.from_numpy(tensors[f"agent{i}.{ours[module]}.{kind}"]))
        keys = ("x", "noise", "condition", "kept", "target", "outputScale")
        self.ready = [[{k: torch.from_numpy(tensors[f"batch.{i}.{k}"][n].copy()) for k in keys} for i in range(spec["agents"])] for n in range(spec["batches"])]
        self.ahead = queue.Queue(1)
        self.data = [(tensors[f"data.{i}.plan"], tensors[f"data.{i}.condition"]) for i in range(spec["agents"])]
        self.parameters = list(self.networks.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        # 1.13's AdamW updates weight by weight unless it is told to go over all of them at once.
        self.optimizers = {n: torch.optim.AdamW(self.parameters, lr=spec["rate"], weight_decay=spec["weightDecay"], foreach=n == "foreach") for n in ("foreach", "single")}

    def loss(self, batches):
        total = 0
        for network, b in zip(self.networks, batches):
            squares = (network(b["x"], b["noise"], b["condition"], b["kept"] if self.spec["conditionDropout"] > 0 else None) - b["target"]) ** 2
            total = total + squares.mean()
            if self.spec["presentWeight"] > 0:
                total = total + self.spec["presentWeight"] * (squares[:, :self.spec["dimensions"]] * b["outputScale"]).mean()
        return total

    def make(self):
        """One step's batches, vectorised over samples."""
        s, batches = self.spec, []
        for plan, condition in self.data:
            rows = self.random.integers(0, len(plan), s["batch"])
            x, c, sd = plan[rows], condition[rows], s["sigmaData"]
            sigma = np.exp(s["noiseMean"] + s["noiseDeviation"] * self.random.standard_normal((s["batch"], 1), dtype=np.float32))
            y = x + sigma * self.random.standard_normal(x.shape, dtype=np.float32)
            total = sigma ** 2 + sd ** 2
            out = sigma * sd / np.sqrt(total)
            target = (x - sd ** 2 / total * y) / out
            kept = (self.random.random(c.shape, dtype=np.float32) >= s["conditionDropout"]).astype(np.float32)
            if s["octaves"]:
                angles = c[:, None, :] * (2.0 ** np.arange(s["octaves"], dtype=np.float32) * np.float32(math.pi / 2))[None, :, None]
                c = np.concatenate([c, np.stack([np.sin(angles), np.cos(angles)], 2).reshape(len(c), -1)], 1)
            values = {"x": y / np.sqrt(total), "noise": np.log(sigma) / 4, "condition": c, "kept": kept, "target": target, "outputScale": out ** 2}
            batches.append({k: torch.from_numpy(np.ascontiguousarray(v, dtype=np.float32)) for k, v in values.items()})
        return batches

    def step(self, batches, optimizer):
        optimizer.zero_grad(set_to_none=True)
        loss = self.loss(batches)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.spec["clip"])
        optimizer.step()
        with torch.no_grad():
            torch._foreach_mul_(self.average, self.spec["averageDecay"])
            torch._foreach_add_(self.average, self.parameters, alpha=1 - self.spec["averageDecay"])
        # Ours looks at every step's loss too, to stop where it is not finite.
        return loss.item()

    def go(self, name, steps):
        source, optimizer = name.split("-")
        optimizer = self.optimizers[optimizer]
        self.networks.train()
        start = time.perf_counter(), time.process_time()
        if source == "made":
            # As many as there are steps, so that none is made at another's expense.
            threading.Thread(target=lambda: [self.ahead.put(self.make()) for _ in range(steps)], daemon=True).start()
        for i in range(steps):
            self.step(self.ahead.get() if source == "made" else self.ready[i % len(self.ready)], optimizer)
        return time.perf_counter() - start[0], time.process_time() - start[1]


def main():
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    training = Training(spec, load(sys.argv[2]))
    blas = ctypes.CDLL("libblas.so.3")
    core = ""
    if hasattr(blas, "openblas_get_corename"):
        blas.openblas_get_corename.restype = ctypes.c_char_p
        core = blas.openblas_get_corename().decode()
    print(f"torch {torch.__version__} {core}", flush=True)
    for line in sys.stdin:
        command = line.split()
        if command[0] == "loss":
            training.networks.eval()
            training.networks.zero_grad()
            loss = training.loss(training.ready[0])
            loss.backward()
            print(repr(loss.item()), repr(float(nn.utils.clip_grad_norm_(training.parameters, math.inf))), flush=True)
        elif command[0] == "threads":
            torch.set_num_threads(int(command[1]))
            if core:
                blas.openblas_set_num_threads(int(command[2]))
            print("ok", flush=True)
        else:
            print(*training.go(command[1], int(command[2])), flush=True)


main()

"""An independent PyTorch of both networks and of all objectives, written from docs/networks.md: forward pass, gradients, and AdamW steps on given weights.

Usage: peer.py SPEC.json IN.safetensors OUT.safetensors
IN holds the weights (no prefix) and condition [B, A]; then, without spec.objective, x [B, L*D], noise [B, 1], target [B, L*D], and the loss is the mean squared error; with
it, plan [B, L*D] (normalised), epsilon [B, L*D] and level [B, 1] (sigma or t), of which the peer makes input and loss by itself.
"""
import json
import math
import struct
import sys

import numpy as np
import torch
import torch.distributions as D
import torch.nn.functional as F


def load(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        body = file.read()
    header.pop("__metadata__", None)
    return {k: torch.from_numpy(np.frombuffer(body[slice(*v["data_offsets"])], np.float32).reshape(v["shape"]).copy()) for k, v in header.items()}


def save(path, tensors):
    header, blobs, at = {}, [], 0
    for name, tensor in tensors.items():
        blob = tensor.detach().contiguous().numpy().astype(np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def linear(w, name, v, bias=True):
    return F.linear(v, w[name + ".weight"], w[name + ".bias"] if bias else None)


def norm(v):
    mean = v.mean(-1, keepdim=True)
    return (v - mean) / torch.sqrt(((v - mean) ** 2).mean(-1, keepdim=True) + 1e-6)


def mish(v):
    return v * torch.tanh(F.softplus(v))


def gelu(v):
    return 0.5 * v * (1 + torch.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v ** 3)))


def attention(w, name, h, heads):
    q, k, v = linear(w, name + ".qkv", h).chunk(3, dim=-1)
    width = h.shape[-1] // heads
    mixed = []
    for i in range(heads):
        part = slice(i * width, (i + 1) * width)
        scores = torch.einsum("btd,bsd->bts", q[..., part], k[..., part]) / math.sqrt(width)
        mixed.append(torch.einsum("bts,bsd->btd", scores.softmax(-1), v[..., part]))
    return linear(w, name + ".out", torch.cat(mixed, -1))


def embed(w, noise):
    return linear(w, "noise.2", mish(linear(w, "noise.0", noise)))


def dit(w, spec, x, noise, condition):
    width, c, a, d = spec["width"], spec["conditionWidth"], condition.shape[1], spec["dimensions"]
    k = linear(w, "condition.in", condition).reshape(-1, a, c)
    k = attention(w, "condition", k, spec["conditionHeads"])
    e = F.silu(embed(w, noise) + linear(w, "condition.project", k.flatten(1)))
    x = x.reshape(x.shape[0], -1, d)
    t = torch.arange(x.shape[1], dtype=torch.float64)[:, None]
    j = torch.arange(width // 2, dtype=torch.float64)[None]
    angle = t / 10000 ** (j / (width // 2 - 1))
    positions = torch.cat([angle.sin(), angle.cos()], -1).float()
    h = linear(w, "tokens", x) + positions
    for i in range(spec["depth"]):
        b = f"blocks.{i}"
        s1, k1, g1, s2, k2, g2 = linear(w, b + ".modulation", e)[:, None].chunk(6, -1)
        h = norm(h) * (1 + k1) + s1
        h = h + g1 * attention(w, b, h, spec["heads"])
        h = h + g2 * linear(w, b + ".down", gelu(linear(w, b + ".up", norm(h) * (1 + k2) + s2)))
    s, k = linear(w, "head.modulation", e)[:, None].chunk(2, -1)
    return linear(w, "head.out", norm(h) * (1 + k) + s).flatten(1)


def octaves(spec, v):
    return torch.cat([v] + [g(2 ** j * math.pi / 2 * v) for j in range(spec["octaves"]) for g in (torch.sin, torch.cos)], -1)


def mlp(w, spec, x, noise, condition):
    n = embed(w, noise)
    if spec.get("slots"):
        start, count, size = spec["slots"]["start"], spec["slots"]["count"], spec["slots"]["size"]
        own = octaves(spec, torch.cat([condition[:, :start], condition[:, start + count * size:]], -1))
        pool = 0
        for slot in condition[:, start:start + count * size].split(size, -1):
            u = mish(linear(w, "others.0", octaves(spec, slot)) + linear(w, "others.own", own, False))
            pool = pool + slot[:, -1:] * mish(linear(w, "others.2", u))
        first = linear(w, "condition.0", own) + linear(w, "condition.others", pool, False)
    else:
        first = linear(w, "condition.0", octaves(spec, condition))
    f = mish(linear(w, "condition.2", mish(first)))
    h = linear(w, "input", x) + f
    for i in range(spec["depth"]):
        b = f"blocks.{i}"
        u = linear(w, b + ".up", norm(h)) + linear(w, b + ".noise", n, False) + linear(w, b + ".condition", f, False)
        h = h + linear(w, b + ".down", mish(u))
    return linear(w, "head", norm(h))


def objective(spec, inputs, network):
    """The loss of one of the methods; network is F(x, c, o)."""
    o, condition = spec["objective"], inputs["condition"]
    plan, epsilon, level = inputs["plan"], inputs["epsilon"], inputs["level"]
    sd, d, zero = o["sigmaData"], spec["dimensions"], torch.zeros_like(plan)
    if o["method"] == "diffusion":
        # The loss in terms of the denoised plan and its weight, where ours is in terms of the network's answer.
        total = sd ** 2 + level ** 2
        y = plan + level * epsilon
        denoised = sd ** 2 / total * y + level * sd / total.sqrt() * network(y / total.sqrt(), level.log() / 4, condition)
        loss = (total / (level * sd) ** 2 * (denoised - plan) ** 2).mean()
    elif o["method"] == "flow":
        x = torch.lerp(epsilon, plan, level)
        v = network(x, level, condition)
        denoised = x + (1 - level) * v
        loss = F.mse_loss(v, plan - epsilon)
    else:
        answer = network(zero, level * 0, condition)
        if o["method"] == "cloning":
            denoised = answer
            loss = F.mse_loss(answer, plan)
        else:
            k, n = o["components"], plan.shape[1]
            logits, means, r = answer.split([k, k * n, k * n], -1)
            gaussians = D.Independent(D.Normal(means.reshape(-1, k, n), o["floor"] + r.reshape(-1, k, n).exp()), 1)
            return -D.MixtureSameFamily(D.Categorical(logits=logits), gaussians).log_prob(plan).mean() / n
    return loss + o["presentWeight"] * ((denoised - plan)[:, :d] ** 2).mean()


def main():
    torch.set_num_threads(1)
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    tensors = load(sys.argv[2])
    names = ("plan", "epsilon", "level", "condition") if "objective" in spec else ("x", "noise", "condition", "target")
    inputs = {k: tensors.pop(k) for k in names}
    network = dit if spec["kind"] == "dit" else mlp
    weights = {k: v.requires_grad_(True) for k, v in tensors.items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=spec["rate"], weight_decay=spec["weightDecay"])
    out = {}
    for step in range(spec["steps"]):
        optimizer.zero_grad()
        if "objective" in spec:
            loss = objective(spec, inputs, lambda x, c, o: network(weights, spec, x, c, o))
        else:
            y = network(weights, spec, inputs["x"], inputs["noise"], inputs["condition"])
            loss = ((y - inputs["target"]) ** 2).mean()
        loss.backward()
        if step == 0:
            out["forward"] = loss.reshape(1) if "objective" in spec else y
            out.update({"gradient." + k: v.grad.clone() for k, v in weights.items()})
        torch.nn.utils.clip_grad_norm_(weights.values(), spec["clip"])
        optimizer.step()
    out.update({"weight." + k: v for k, v in weights.items()})
    save(sys.argv[3], out)


main()

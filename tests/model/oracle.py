"""M3ViT at inference in NumPy float64, plain loops after the authors' sources: what the reference is compared with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
erf = np.vectorize(math.erf, otypes=[np.float64])


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x: Array, weight: Array, bias: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6) * weight + bias


def gelu(x: Array) -> Array:
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


class Oracle:
    """Runs a state dict of `tests.factory.make_state` (names without a wrapper's prefix)."""

    def __init__(
        self,
        state: Mapping[str, Array],
        *,
        heads: int,
        top_k: int = 2,
        gate_type: str = "noisy_vmoe",
        input_ahead: bool = False,
        expert_prune: bool = False,
        experts_per_task: int = 0,
        tasks: tuple[str, ...] = ("semseg", "depth"),
    ) -> None:
        self.state = {k.removeprefix("backbone."): np.asarray(v, np.float64) for k, v in state.items()}
        self.heads, self.top_k, self.gate_type = heads, top_k, gate_type
        self.input_ahead, self.expert_prune, self.experts_per_task = input_ahead, expert_prune, experts_per_task
        self.tasks = tasks
        self.routes: list[Array] = []
        self.scores: list[Array] = []
        self.margins: list[float] = []

    def affine(self, x: Array, name: str) -> Array:
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def norm(self, x: Array, name: str) -> Array:
        return layer_norm(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def tokens(self, image: Array, task: str) -> list[Array]:
        """Output of every block for an input [3, H, W]."""
        kernel = self.state["patch_embed.proj.weight"]
        p = kernel.shape[2]
        rows = []
        for y in range(0, image.shape[1], p):
            for x in range(0, image.shape[2], p):
                patch = image[:, y : y + p, x : x + p].astype(np.float64)
                rows.append((kernel * patch).sum(axis=(1, 2, 3)) + self.state["patch_embed.proj.bias"])
        z = np.stack(rows)
        place = self.state["pos_embed"][0]
        before = [self.state[name][0] for name in ("cls_token", "dist_token", "reg_token") if name in self.state]
        count = sum(map(len, before))
        if len(place) == len(z):  # patches alone have a position
            z = np.concatenate([*before, z + place])
        elif len(place) == len(z) + count:
            z = np.concatenate([*before, z]) + place
        else:  # class token and patches have one, registers have none
            z = np.concatenate([before[0] + place[:1], *before[1:], z + place[1:]])
        outputs = []
        block = 0
        while f"blocks.{block}.norm1.weight" in self.state:
            z = self.block(z, f"blocks.{block}", self.tasks.index(task))
            outputs.append(z)
            block += 1
        return outputs

    def block(self, x: Array, name: str, task: int) -> Array:
        before = x
        dim = x.shape[1]
        width = dim // self.heads
        normal = self.norm(x, f"{name}.norm1")
        if f"{name}.attn.q_bias" in self.state:
            own = [self.state[f"{name}.attn.q_bias"], np.zeros(dim), self.state[f"{name}.attn.v_bias"]]
            qkv = normal @ self.state[f"{name}.attn.qkv.weight"].T + np.concatenate(own)
        else:
            qkv = self.affine(normal, f"{name}.attn.qkv")
        mixed = np.zeros_like(x)
        for h in range(self.heads):
            q, k, v = (qkv[:, part * dim + h * width : part * dim + (h + 1) * width] for part in range(3))
            mixed[:, h * width : (h + 1) * width] = softmax(q @ k.T / math.sqrt(width)) @ v
        x = x + self.scale(f"{name}", 1) * self.affine(mixed, f"{name}.attn.proj")
        normal = self.norm(x, f"{name}.norm2")
        if f"{name}.mlp.fc1.weight" in self.state:
            down = self.affine(gelu(self.affine(normal, f"{name}.mlp.fc1")), f"{name}.mlp.fc2")
            return x + self.scale(name, 2) * down
        gate_input = before if self.input_ahead else normal
        return x + self.scale(name, 2) * self.experts(normal, gate_input, f"{name}.mlp", task)

    def scale(self, block: str, place: int) -> Any:
        """LayerScale of a residual branch; 1 without one."""
        names = (f"{block}.gamma_{place}", f"{block}.ls{place}.gamma")
        return next((self.state[name] for name in names if name in self.state), 1.0)

    def classify(self, tokens: Array) -> Array:
        """Logits of a plain ViT."""
        w = self.state
        before = sum(w[name].shape[1] for name in ("cls_token", "dist_token", "reg_token") if name in w)
        if "fc_norm.weight" in w:
            return self.affine(self.norm(tokens[before:].mean(axis=0), "fc_norm"), "head")
        x = self.norm(tokens, "norm")
        if "cls_token" not in w:
            return self.affine(x[before:].mean(axis=0), "head")
        if "head_dist.weight" in w:
            return (self.affine(x[0], "head") + self.affine(x[1], "head_dist")) / 2
        return self.affine(x[0], "head")

    def experts(self, x: Array, gate_input: Array, name: str, task: int) -> Array:
        single = f"{name}.gate.w_gate" in self.state
        gate = self.state[f"{name}.gate.w_gate" if single else f"{name}.gate.{task}.w_gate"]
        if "gate_task_represent.fc1.weight" in self.state:
            feature = np.eye(self.state["gate_task_represent.fc1.weight"].shape[1])[task]
            feature = self.affine(gelu(self.affine(feature, "gate_task_represent.fc1")), "gate_task_represent.fc2")
            feature = self.norm(feature, "gate_task_represent.norm")
            gate_input = np.concatenate([gate_input, np.tile(feature, (len(x), 1))], axis=1)
        start = 0
        if self.experts_per_task:
            n, t = self.experts_per_task, len(self.tasks)
            for i in range(task + 1):
                start = start + int(i * (gate.shape[1] - n) / (t - 1))
            gate = gate[:, start : start + n]
        logits = gate_input @ gate
        out = np.zeros_like(x)
        routes = np.zeros((len(x), self.top_k), np.int64)
        scores = np.zeros((len(x), self.top_k))
        for t in range(len(x)):
            order = np.argsort(-logits[t], kind="stable")
            chosen = order[: self.top_k]
            if len(order) > self.top_k:
                self.margins.append(float(logits[t, order[self.top_k - 1]] - logits[t, order[self.top_k]]))
            self.margins += [float(logits[t, a] - logits[t, b]) for a, b in itertools.pairwise(chosen)]
            weight = softmax(logits[t])[chosen] if self.gate_type == "noisy_vmoe" else softmax(logits[t][chosen])
            for j, (expert, score) in enumerate(zip(chosen + start, weight, strict=True)):
                used = score if not self.expert_prune or score > 0.1 else 0.0
                up = self.state[f"{name}.experts.htoh4.weight"][expert] @ x[t]
                hidden = gelu(up + self.state[f"{name}.experts.htoh4.bias"][expert])
                down = self.state[f"{name}.experts.h4toh.weight"][expert] @ hidden
                out[t] += used * (down + self.state[f"{name}.experts.h4toh.bias"][expert])
                routes[t, j], scores[t, j] = expert, used
        self.routes.append(routes)
        self.scores.append(scores)
        return out

    def decode(self, tokens: Array, task: str, image: tuple[int, int], patch: int) -> Array:
        """[classes, H, W] of the task's decoder."""
        w = {k.removeprefix(f"decoders.{task}."): v for k, v in self.state.items() if k.startswith(f"decoders.{task}.")}
        x = layer_norm(tokens[1:], w["norm.weight"], w["norm.bias"])
        x = x.T.reshape(-1, image[0] // patch, image[1] // patch)
        for i in range(4):
            x = conv3x3(x, w[f"conv_{i}.weight"]) + w[f"conv_{i}.bias"][:, None, None]
            bn = {k: w[f"syncbn_fc_{i}.{k}"][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")}
            x = (x - bn["running_mean"]) / np.sqrt(bn["running_var"] + 1e-5) * bn["weight"] + bn["bias"]
            x = np.maximum(x, 0)
            if i < 3:
                x = bilinear(x, 2 * x.shape[1], 2 * x.shape[2])
        x = np.einsum("oi,ihw->ohw", w["conv_4.weight"][:, :, 0, 0], x) + w["conv_4.bias"][:, None, None]
        return bilinear(bilinear(x, 2 * x.shape[1], 2 * x.shape[2]), *image)


def conv3x3(x: Array, kernel: Array) -> Array:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((kernel.shape[0], *x.shape[1:]))
    for dy in range(3):
        for dx in range(3):
            window = padded[:, dy : dy + x.shape[1], dx : dx + x.shape[2]]
            out += np.einsum("oi,ihw->ohw", kernel[:, :, dy, dx], window)
    return out


def bilinear(x: Array, height: int, width: int) -> Array:
    """Half-pixel centres (align_corners=False), clamped at the borders."""
    return np.einsum("yh,xw,chw->cyx", _weights(x.shape[1], height), _weights(x.shape[2], width), x)


def _weights(size: int, out: int) -> Array:
    matrix = np.zeros((out, size))
    for i in range(out):
        at = max((i + 0.5) * size / out - 0.5, 0.0)
        low = min(int(at), size - 1)
        high = min(low + 1, size - 1)
        matrix[i, low] += 1 - (at - low)
        matrix[i, high] += at - low
    return matrix

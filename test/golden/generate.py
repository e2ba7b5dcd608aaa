"""Writes the golden files beside this script: what PyTorch, in float64, makes of lvnet's networks.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python generate.py

Inputs and weights follow from names alone (draws.py), so only results are written, rounded once to float32."""

import json
import math
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from torch.nn import functional as F

from networks import networks
from draws import uniform
from operations import operations

folder = pathlib.Path(__file__).parent
cases = json.loads((folder / "cases.json").read_text())
samples_per_tensor = 24


def draw_weights(model):
    """PyTorch's default initialisers as lvnet draws them (seed 1), norms moved from their start."""
    with torch.no_grad():
        for name, module in model.named_modules():
            for last, tensor in module.named_parameters(recurse=False):
                full = f"{name}.{last}"
                if isinstance(module, torch.nn.PReLU):
                    tensor.fill_(0.25)
                elif isinstance(module, (torch.nn.modules.batchnorm._BatchNorm, torch.nn.GroupNorm)):
                    start = 1.0 if last == "weight" else 0.0
                    moved = np.float32(start + 0.3 * uniform(tensor.numel(), "golden", full))
                    tensor.copy_(torch.from_numpy(moved.reshape(tensor.shape)))
                else:
                    bound = 1 / math.sqrt(math.prod(module.weight.shape[1:]))
                    drawn = np.float32(uniform(tensor.numel(), 1, full) * bound)
                    tensor.copy_(torch.from_numpy(drawn.reshape(tensor.shape)))


def draw_batch(shape, classes, step):
    """Image [n, d, h, w] and labels that follow it a little."""
    count = math.prod(shape)
    image = np.float32(uniform(count, "golden image", step) * math.sqrt(3))
    label = np.where(image > 0.3, 1, (np.arange(count) // 4) % classes)
    return torch.from_numpy(image.reshape(shape)).double(), torch.from_numpy(label.reshape(shape))


def run(model, config, image, label, eta):
    """Logits [n, classes, d, h, w] of all heads and the losses."""
    n, d, h, w = image.shape
    if config["name"] in ("u-net", "ce-net"):
        slices = image.reshape(n * d, 1, h, w)
        if config["name"] == "ce-net":
            slices = with_context(image, config.get("context", "repeat")).reshape(n * d, 3, h, w)
        logits, heads = model(slices)
        back = lambda y: y.reshape(n, d, *y.shape[1:]).transpose(1, 2)
        logits, heads = back(logits), [back(head) for head in heads]
    else:
        logits, heads = model(image[:, None])
    losses = [F.cross_entropy(scores, label) for scores in [logits, *heads]]
    total = losses[0] + sum(weight * loss for weight, loss in zip(eta, losses[1:]))
    return logits, heads, losses, total


def with_context(image, context):
    """[n, d, 3, h, w]: the slice thrice, or with the one before and the one behind; the ends stand in."""
    before = torch.cat([image[:, :1], image[:, :-1]], 1)
    behind = torch.cat([image[:, 1:], image[:, -1:]], 1)
    return torch.stack([before, image, behind] if context == "neighbours" else [image] * 3, 2)


def open_case(case):
    config = dict(case["network"])
    options = {key: value for key, value in config.items() if key != "name"}
    model = networks[config["name"]](**options).double().train()
    draw_weights(model)
    return model, config, config.get("classes", 2)


def trace(case, disturb=lambda model: None):
    model, config, classes = open_case(case)
    disturb(model)
    image, label = draw_batch(case["shape"], classes, 0)
    logits, heads, losses, total = run(model, config, image, label, case["eta"])
    total.backward()
    found = {"loss": total.detach(), "logits.main": logits.detach()}
    for i, head in enumerate(heads):
        found[f"logits.{i + 1}"] = head.detach()
    for name, loss in zip(["main", *(str(i + 1) for i in range(len(heads)))], losses):
        found[f"loss.{name}"] = loss.detach()
    for name, tensor in model.named_parameters():
        found[f"grad.{name}"] = tensor.grad
    for name, tensor in model.named_buffers():
        if name.endswith("running_mean"):
            found[f"stats.{name[:-13]}.mean"] = tensor
        if name.endswith("running_var"):
            found[f"stats.{name[:-12]}.var"] = tensor
    return found


def disturbance(exponent, seed):
    """Moves what every layer computes by up to 2^exponent of its size, about what float32 leaves after its layers."""
    random = torch.Generator().manual_seed(seed)

    def move(_module, _inputs, y):
        size = y.detach().square().mean().sqrt() * 2.0**exponent
        return y + size * (2 * torch.rand(y.shape, generator=random, dtype=y.dtype) - 1)

    def disturb(model):
        for module in model.modules():
            if not list(module.children()):
                module.register_forward_hook(move)

    return disturb


def sensitivities(case, found):
    """How far each gradient moves, by its largest magnitude, when the layers are disturbed: a rectifier or a maximum
    that lies within rounding of its kink passes its gradient or not, and everything in front of it feels that."""
    most = {}
    for seed in range(4 if "disturbance" in case else 0):
        for name, tensor in trace(case, disturbance(case["disturbance"], seed)).items():
            if name.startswith("grad."):
                moved = (tensor - found[name]).abs().max() / found[name].abs().max()
                most[name] = max(most.get(name, moved), moved)
    return {f"sensitivity.{name}": moved.reshape(1) for name, moved in most.items()}


def sampled(name, tensor):
    """Some values of a large tensor, its largest magnitude, and its product with random numbers."""
    flat = tensor.reshape(-1)
    count = min(flat.numel(), samples_per_tensor)
    places = [i * (flat.numel() - 1) // max(1, count - 1) for i in range(count)]
    along = torch.from_numpy(uniform(flat.numel(), "golden direction", name))
    return torch.cat([flat[places], flat.abs().max()[None], (flat @ along)[None]])


def train(case):
    """Logits of a sixth batch after five whole steps, in training mode."""
    model, config, classes = open_case(case)
    o = cases["optimizer"]
    rate = case.get("learningRate", o["learningRate"])
    adam = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=o["weightDecay"])
    for step in range(1, cases["steps"] + 1):
        image, label = draw_batch(case["shape"], classes, step)
        adam.zero_grad()
        run(model, config, image, label, case["eta"])[3].backward()
        adam.step()
    image, label = draw_batch(case["shape"], classes, cases["steps"] + 1)
    with torch.no_grad():
        logits, heads, _, _ = run(model, config, image, label, case["eta"])
    return {"steps.main": logits, **{f"steps.{i + 1}": head for i, head in enumerate(heads)}}


def adam_alone():
    """Five updates of 500 weights by given gradients, some of them near zero, and the moments."""
    weights = torch.from_numpy(np.float32(uniform(500, "golden adam", "weights"))).double().requires_grad_()
    o = cases["optimizer"]
    adam = torch.optim.Adam([weights], lr=o["learningRate"], weight_decay=o["weightDecay"])
    found = {}
    for step in range(1, cases["steps"] + 1):
        gradient = uniform(500, "golden adam", step) * np.repeat([1e-6, 1e-2, 1.0, 50.0, 0.0], 100)
        weights.grad = torch.from_numpy(np.float32(gradient)).double()
        adam.step()
        found[f"weights.{step}"] = weights.detach().clone()
    state = adam.state[weights]
    return {**found, "m": state["exp_avg"], "v": state["exp_avg_sq"]}


def write(name, tensors):
    arrays = {key: np.ascontiguousarray(value.detach().numpy().astype(np.float32)) for key, value in tensors.items()}
    path = folder / f"{name}.safetensors"
    save_file(arrays, path, {"torch": torch.__version__})
    path.chmod(0o644)
    print(name, len(arrays), "tensors", sum(a.nbytes for a in arrays.values()) // 1024, "KiB", flush=True)


torch.manual_seed(0)
write("operations", operations())
write("adam", adam_alone())
for case in cases["small"]:
    name = case["network"]["name"]
    steps = {key: sampled(key, value) for key, value in train(case).items()}
    found = trace(case)
    write(name, {**found, **steps, **sensitivities(case, found)})
for case in cases["real"]:
    name = case["network"]["name"]
    found = trace(case)
    samples = {key: sampled(key, value) for key, value in found.items()}
    write(f"{name}-real", {**samples, **sensitivities(case, found)})

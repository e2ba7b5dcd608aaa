"""PyTorch's side of the engine benchmark: one command as JSON per line of standard input, one answer per line.

open {golden, network, state: [name, length]..., weights, image, label, shape, eta, threads, compile}
step  -> {seconds, cpuSeconds, losses}       forward, losses of all heads, backward
infer {out} -> {seconds, cpuSeconds}         probabilities of the foreground, written as float32
memory -> {peakRssMiB}
"""

import json
import resource
import sys
import time

import numpy as np


def open_model(o):
    import torch

    sys.path.insert(0, o["golden"])
    from networks import networks

    torch.set_num_threads(o["threads"])
    options = {key: value for key, value in o["network"].items() if key != "name"}
    model = networks[o["network"]["name"]](**options)
    flat, offset = torch.from_numpy(np.fromfile(o["weights"], np.float32)), 0
    state = dict(model.state_dict())
    for name, length in o["state"]:
        state[name].copy_(flat[offset : offset + length].view(state[name].shape))
        offset += length
    n, d, h, w = o["shape"]
    image = torch.from_numpy(np.fromfile(o["image"], np.float32))
    label = torch.from_numpy(np.fromfile(o["label"], np.int32)).long()
    if o["network"]["name"] in ("u-net", "ce-net"):  # slice by slice, CE-Net with the slice in each channel
        form = torch.channels_last
        image = image.view(n * d, 1, h, w).repeat(1, 3 if o["network"]["name"] == "ce-net" else 1, 1, 1)
        label = label.view(n * d, h, w)
    else:
        form = torch.channels_last_3d
        image, label = image.view(n, 1, d, h, w), label.view(n, d, h, w)
    model, image = model.to(memory_format=form), image.to(memory_format=form)
    fast = torch.compile(model) if o["compile"] else model
    return {"torch": torch, "model": model, "fast": fast, "image": image, "label": label, "eta": o["eta"]}


def timed(run):
    start, before = time.perf_counter(), time.process_time()
    result = run()
    return {"seconds": time.perf_counter() - start, "cpuSeconds": time.process_time() - before}, result


def step(opened):
    cross_entropy = opened["torch"].nn.functional.cross_entropy
    opened["model"].train()
    opened["model"].zero_grad()
    main, heads = opened["fast"](opened["image"])
    losses = [cross_entropy(logits, opened["label"]) for logits in [main, *heads]]
    total = losses[0] + sum(weight * loss for weight, loss in zip(opened["eta"], losses[1:]))
    total.backward()
    return [float(loss.detach()) for loss in [total, *losses]]


def infer(opened):
    opened["model"].eval()
    with opened["torch"].inference_mode():
        main, _ = opened["fast"](opened["image"])
        return 1 - opened["torch"].softmax(main, 1)[:, 0]


def answer(command, opened):
    match command["do"]:
        case "open":
            opened.update(open_model(command))
            return {"version": opened["torch"].__version__}
        case "step":
            times, losses = timed(lambda: step(opened))
            return {**times, "losses": losses}
        case "infer":
            times, foreground = timed(lambda: infer(opened))
            foreground.contiguous().numpy().astype(np.float32).tofile(command["out"])
            return times
        case "memory":
            return {"peakRssMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    raise ValueError(command["do"])


opened = {}
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line), opened)), flush=True)

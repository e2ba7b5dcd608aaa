"""Single operations with their gradients: y, and dx, dw, db, ... of sum(dy * y)."""

import numpy as np
import torch
from torch.nn import functional as F

from draws import uniform


def tensor(key, *shape):
    values = np.float32(uniform(int(np.prod(shape)), "golden operation", key))
    return torch.from_numpy(values.reshape(shape)).double().requires_grad_()


def resized(mode, corners):
    options = {} if mode == "nearest" else {"align_corners": corners}
    return lambda t, size: F.interpolate(t["x"], size=size, mode=mode, **options)


# name: (inputs by name and shape, in PyTorch's layouts; the operation)
table = {
    "trilinear.centres": ({"x": (2, 3, 2, 3, 5)}, lambda t: resized("trilinear", False)(t, (4, 9, 7))),
    "trilinear.corners": ({"x": (2, 3, 2, 3, 5)}, lambda t: resized("trilinear", True)(t, (4, 9, 7))),
    "bilinear.centres": ({"x": (2, 3, 3, 5)}, lambda t: resized("bilinear", False)(t, (6, 16))),
    "bilinear.corners": ({"x": (2, 3, 3, 5)}, lambda t: resized("bilinear", True)(t, (6, 10))),
    "nearest": ({"x": (2, 3, 3, 5, 9)}, lambda t: resized("nearest", None)(t, (5, 9, 16))),
    "upsample": ({"x": (2, 3, 2, 3, 2)}, lambda t: F.interpolate(t["x"], scale_factor=4, mode="trilinear")),
    "transposed.2d": (
        {"x": (2, 5, 4, 3), "w": (5, 4, 3, 3), "b": (4,)},
        lambda t: F.conv_transpose2d(t["x"], t["w"], t["b"], 2, 1, 1),
    ),
    "transposed.2d.4": (
        {"x": (2, 5, 4, 3), "w": (5, 4, 4, 4), "b": (4,)},
        lambda t: F.conv_transpose2d(t["x"], t["w"], t["b"], 2, 1),
    ),
    "transposed.3d": ({"x": (1, 6, 2, 3, 2), "w": (6, 3, 2, 2, 2)}, lambda t: F.conv_transpose3d(t["x"], t["w"], None, 2)),
    "dilated.3": (
        {"x": (2, 5, 9, 8), "w": (4, 5, 3, 3), "b": (4,)},
        lambda t: F.conv2d(t["x"], t["w"], t["b"], 1, 3, 3),
    ),
    "dilated.5": (
        {"x": (1, 5, 11, 8), "w": (4, 5, 3, 3), "b": (4,)},
        lambda t: F.conv2d(t["x"], t["w"], t["b"], 1, 5, 5),
    ),
    "strided.7": ({"x": (2, 3, 13, 16), "w": (4, 3, 7, 7)}, lambda t: F.conv2d(t["x"], t["w"], None, 2, 3)),
    "strided.3d": ({"x": (2, 3, 4, 6, 8), "w": (5, 3, 2, 2, 2)}, lambda t: F.conv3d(t["x"], t["w"], None, 2)),
    "pool.3d": ({"x": (2, 3, 5, 6, 7)}, lambda t: F.max_pool3d(t["x"], 2, 2, 1)),
    "pool.2d": ({"x": (2, 3, 9, 12)}, lambda t: F.max_pool2d(t["x"], 3, 2, 1)),
    "pool.2d.5": ({"x": (1, 3, 11, 16)}, lambda t: F.max_pool2d(t["x"], 5, 5)),
    "groups": (
        {"x": (2, 6, 3, 4, 5), "gamma": (6,), "beta": (6,)},
        lambda t: F.group_norm(F.relu(t["x"]), 3, t["gamma"], t["beta"], 1e-5),
    ),
    "prelu": ({"x": (2, 3, 4, 5, 3), "slope": (1,)}, lambda t: F.prelu(t["x"], t["slope"])),
}


def operations():
    found = {}
    for name, (shapes, run) in table.items():
        inputs = {key: tensor(f"{name}.{key}", *shape) for key, shape in shapes.items()}
        y = run(inputs)
        dy = tensor(f"{name}.dy", *y.shape).detach()
        y.backward(dy)
        found[f"{name}.y"] = y.detach()
        for key, value in inputs.items():
            found[f"{name}.d{key}"] = value.grad
    return found

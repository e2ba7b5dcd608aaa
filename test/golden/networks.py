"""The five networks as PyTorch modules, written from the documentation of lvnet alone.

Names of modules are those of lvnet's state, so that load_state_dict takes its weights."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """An inverted-residual block of LV-Net."""

    def __init__(self, c, rate, kernel, activation, bias):
        super().__init__()
        e = c * rate
        self.expand = nn.Conv3d(c, e, 1, bias=bias)
        self.bn1 = nn.BatchNorm3d(e)
        self.depthwise = nn.Conv3d(e, e, kernel, padding=kernel // 2, groups=e, bias=bias)
        self.bn2 = nn.BatchNorm3d(e)
        self.project = nn.Conv3d(e, c, 1, bias=bias)
        self.bn3 = nn.BatchNorm3d(c)
        self.activation = activation

    def forward(self, x):
        h = self.activation(self.bn1(self.expand(x)))
        h = self.activation(self.bn2(self.depthwise(h)))
        return self.bn3(self.project(h)) + x


class ConvNorm(nn.Module):
    def __init__(self, ci, co, kernel=1):
        super().__init__()
        self.conv = nn.Conv3d(ci, co, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm3d(co)


class LvNet(nn.Module):
    def __init__(self, baseWidth=8, levels=5, blocksPerStage=4, expansionRate=4, kernel=5, classes=2, activation="elu"):
        super().__init__()
        self.levels = levels
        self.activation = {"elu": F.elu, "relu": F.relu}[activation]
        width = [baseWidth * 2**level for level in range(levels)]

        def stage(level):
            blocks = [Block(width[level], expansionRate, kernel, self.activation, level == 0) for _ in range(blocksPerStage)]
            return nn.Sequential(*blocks)

        self.stem = ConvNorm(1, width[0], kernel)
        for level in range(levels - 1):
            setattr(self, f"enc{level}", stage(level))
            setattr(self, f"down{level}", ConvNorm(width[level], width[level + 1]))
        self.bottom = stage(levels - 1)
        for head, level in enumerate(reversed(range(levels - 1))):
            setattr(self, f"up{level}", ConvNorm(width[level + 1], width[level]))
            setattr(self, f"dec{level}", stage(level))
            setattr(self, f"head{head + 1}", nn.Conv3d(width[level], classes, 1))
        self.output = nn.Conv3d(width[0], classes, 1)

    def forward(self, x):
        act = self.activation
        up = lambda y, factor: F.interpolate(y, scale_factor=factor, mode="trilinear", align_corners=False)
        x = act(self.stem.bn(self.stem.conv(x)))
        skips, heads = [], []
        for level in range(self.levels - 1):
            x = getattr(self, f"enc{level}")(x)
            skips.append(x)
            down = getattr(self, f"down{level}")
            x = act(down.bn(F.avg_pool3d(down.conv(x), 2)))
        x = self.bottom(x)
        for head, level in enumerate(reversed(range(self.levels - 1))):
            raised = getattr(self, f"up{level}")
            x = up(act(raised.bn(raised.conv(x))), 2) + skips[level]
            x = getattr(self, f"dec{level}")(x)
            heads.append(up(getattr(self, f"head{head + 1}")(x), 2**level))
        return self.output(x), heads


class Double(nn.Module):
    def __init__(self, ci, co):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(ci, co, 3, padding=1), nn.BatchNorm2d(co)
        self.conv2, self.bn2 = nn.Conv2d(co, co, 3, padding=1), nn.BatchNorm2d(co)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class UNet(nn.Module):
    def __init__(self, baseWidth=64, classes=2):
        super().__init__()
        b = baseWidth
        self.inc = Double(1, b)
        for i, (ci, co) in enumerate([(b, 2 * b), (2 * b, 4 * b), (4 * b, 8 * b), (8 * b, 8 * b)]):
            setattr(self, f"down{i + 1}", Double(ci, co))
        for i, (ci, co) in enumerate([(16 * b, 4 * b), (8 * b, 2 * b), (4 * b, b), (2 * b, b)]):
            setattr(self, f"up{i + 1}", Double(ci, co))
        self.output = nn.Conv2d(b, classes, 1)

    def forward(self, x):
        x = self.inc(x)
        skips = []
        for i in range(4):
            skips.append(x)
            x = getattr(self, f"down{i + 1}")(F.max_pool2d(x, 2))
        for i in range(4):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = getattr(self, f"up{i + 1}")(torch.cat([skips[3 - i], x], 1))
        return self.output(x), []


class Basic(nn.Module):
    """A basic block of a ResNet."""

    def __init__(self, ci, co, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(ci, co, 3, stride, 1, bias=False), nn.BatchNorm2d(co)
        self.conv2, self.bn2 = nn.Conv2d(co, co, 3, 1, 1, bias=False), nn.BatchNorm2d(co)
        if stride > 1:
            self.shortcut = nn.Sequential()
            self.shortcut.add_module("conv", nn.Conv2d(ci, co, 1, stride, bias=False))
            self.shortcut.add_module("bn", nn.BatchNorm2d(co))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.shortcut(x) if hasattr(self, "shortcut") else x))


class Decoder(nn.Module):
    def __init__(self, ci, co):
        super().__init__()
        c = ci // 4
        self.conv1, self.bn1 = nn.Conv2d(ci, c, 1), nn.BatchNorm2d(c)
        self.up, self.bn2 = nn.ConvTranspose2d(c, c, 3, 2, 1, 1), nn.BatchNorm2d(c)
        self.conv3, self.bn3 = nn.Conv2d(c, co, 1), nn.BatchNorm2d(co)

    def forward(self, x):
        x = F.relu(self.bn2(self.up(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(x)))


class CeNet(nn.Module):
    def __init__(self, baseWidth=64, classes=2, context="repeat"):
        super().__init__()
        b, self.classes = baseWidth, classes
        self.stem = nn.Module()
        self.stem.conv, self.stem.bn = nn.Conv2d(3, b, 7, 2, 3, bias=False), nn.BatchNorm2d(b)
        for i, (count, ci, co) in enumerate([(3, b, b), (4, b, 2 * b), (6, 2 * b, 4 * b), (3, 4 * b, 8 * b)]):
            blocks = [Basic(ci if j == 0 else co, co, 2 if i > 0 and j == 0 else 1) for j in range(count)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        c = 8 * b
        self.dac, self.spp, self.final = nn.Module(), nn.Module(), nn.Module()
        for name, dilation in [("d1", 1), ("d2", 3), ("d3", 5)]:
            setattr(self.dac, name, nn.Conv2d(c, c, 3, padding=dilation, dilation=dilation))
        self.dac.c = nn.Conv2d(c, c, 1)
        self.spp.conv = nn.Conv2d(c, 1, 1)
        self.dec4, self.dec3 = Decoder(c + 4, 4 * b), Decoder(4 * b, 2 * b)
        self.dec2, self.dec1 = Decoder(2 * b, b), Decoder(b, b)
        self.final.up = nn.ConvTranspose2d(b, b // 2, 4, 2, 1)
        self.final.conv1 = nn.Conv2d(b // 2, b // 2, 3, padding=1)
        self.final.conv2 = nn.Conv2d(b // 2, 3, 3, padding=1, bias=False)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem.bn(self.stem.conv(x))), 3, 2, 1)
        e1 = self.layer1(x)
        e2 = self.layer2(e1)
        e3 = self.layer3(e2)
        x = self.layer4(e3)
        m = self.dac
        cascades = [m.d1(x), m.c(m.d2(x)), m.c(m.d2(m.d1(x))), m.c(m.d3(m.d2(m.d1(x))))]
        x = x + sum(F.relu(y) for y in cascades)
        maps = [
            F.interpolate(self.spp.conv(F.max_pool2d(x, k, k)), size=x.shape[2:], mode="bilinear", align_corners=False)
            for k in (2, 3, 5, 6)
        ]
        x = torch.cat([*maps, x], 1)
        x = self.dec4(x) + e3
        x = self.dec3(x) + e2
        x = self.dec2(x) + e1
        x = F.relu(self.final.up(self.dec1(x)))
        x = self.final.conv2(F.relu(self.final.conv1(x)))
        return x[:, : self.classes], []


class GroupUnit(nn.Module):
    def __init__(self, ci, co, groups):
        super().__init__()
        self.conv, self.norm = nn.Conv3d(ci, co, 3, padding=1), nn.GroupNorm(groups, co)

    def forward(self, x):
        return self.norm(F.relu(self.conv(x)))


class ThreeDUNet(nn.Module):
    def __init__(self, baseWidth=32, groups=32, classes=2):
        super().__init__()
        b = baseWidth
        pair = lambda i, m, o: nn.Sequential(GroupUnit(i, m, groups), GroupUnit(m, o, groups))
        self.e0, self.e1 = pair(1, b, 2 * b), pair(2 * b, 2 * b, 4 * b)
        self.e2, self.e3 = pair(4 * b, 4 * b, 8 * b), pair(8 * b, 8 * b, 16 * b)
        self.d0, self.d1 = pair(24 * b, 8 * b, 8 * b), pair(12 * b, 4 * b, 4 * b)
        self.d2 = pair(6 * b, 2 * b, 2 * b)
        self.output = nn.Conv3d(2 * b, classes, 1)

    def forward(self, x):
        pool = lambda y: F.max_pool3d(y, 2, 2, 1)
        s0 = self.e0(x)
        s1 = self.e1(pool(s0))
        s2 = self.e2(pool(s1))
        x = self.e3(pool(s2))
        for decoder, skip in [(self.d0, s2), (self.d1, s1), (self.d2, s0)]:
            x = decoder(torch.cat([skip, F.interpolate(x, size=skip.shape[2:], mode="nearest")], 1))
        return self.output(x), []


class VUnit(nn.Module):
    def __init__(self, ci, co):
        super().__init__()
        self.conv, self.bn = nn.Conv3d(ci, co, 5, padding=2, bias=False), nn.BatchNorm3d(co)
        self.prelu = nn.PReLU()

    def forward(self, x):
        return self.prelu(self.bn(self.conv(x)))


class Moved(nn.Module):
    """A strided convolution, either way, with its rectifier."""

    def __init__(self, conv):
        super().__init__()
        self.conv, self.prelu = conv, nn.PReLU()

    def forward(self, x):
        return self.prelu(self.conv(x))


class VNet(nn.Module):
    def __init__(self, baseWidth=16, classes=2):
        super().__init__()
        b = baseWidth
        stage = lambda c, n: nn.Sequential(*[VUnit(c, c) for _ in range(n)])
        self.add_module("in", nn.Sequential(VUnit(1, b)))
        for i, n in enumerate([2, 3, 3, 3]):
            c = b * 2 ** (i + 1)
            setattr(self, f"down{i + 1}", Moved(nn.Conv3d(c // 2, c, 2, 2, bias=False)))
            setattr(self, f"enc{i + 1}", stage(c, n))
        for i, n in enumerate([3, 3, 2, 1]):
            c = b * 2 ** (4 - i)
            ci = c if i == 0 else 2 * c
            setattr(self, f"up{i + 1}", Moved(nn.ConvTranspose3d(ci, c // 2, 2, 2, bias=False)))
            setattr(self, f"dec{i + 1}", stage(c, n))
        self.output = nn.Conv3d(2 * b, classes, 1)

    def forward(self, x):
        first = getattr(self, "in")
        x = first(x) + x  # one channel, added to each
        skips = []
        for i in range(4):
            skips.append(x)
            x = getattr(self, f"down{i + 1}")(x)
            x = getattr(self, f"enc{i + 1}")(x) + x
        for i in range(4):
            x = torch.cat([getattr(self, f"up{i + 1}")(x), skips[3 - i]], 1)
            x = getattr(self, f"dec{i + 1}")(x) + x
        return self.output(x), []


networks = {"lv-net": LvNet, "u-net": UNet, "ce-net": CeNet, "3d-u-net": ThreeDUNet, "v-net": VNet}

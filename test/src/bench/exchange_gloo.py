"""One process of PyTorch's all_reduce over Gloo: RANK, WORLD, PORT, LENGTH, ROUNDS as arguments; prints JSON."""

import json
import sys
import time

import torch
import torch.distributed as dist

rank, world, port, length, rounds = map(int, sys.argv[1:])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
index = torch.arange(length, dtype=torch.int64)
vector = ((index * 31 + rank * 17) % 256 - 128).float()
seconds = []
cpu_before = time.process_time()
for _ in range(rounds):
    values = vector.clone()
    start = time.perf_counter()
    dist.all_reduce(values)
    seconds.append(time.perf_counter() - start)
cpu = (time.process_time() - cpu_before) / rounds
print(json.dumps({"seconds": seconds, "cpuSeconds": cpu, "check": float(values[12345])}))
dist.destroy_process_group()

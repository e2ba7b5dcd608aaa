import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentOf, findBinding } from './binding.js';
import { countGpus, cudaLibraries, gpuModel, usableGpus } from './gpus.js';

describe('what TensorFlow is told before it loads', () => {
  it('takes one device and gives the same bytes every time', () => {
    const told = environmentOf({ device: 2, threads: 3 }, {});
    assert.equal(told['CUDA_VISIBLE_DEVICES'], '2');
    assert.equal(told['TF_NUM_INTRAOP_THREADS'], '3');
    assert.deepEqual(
      ['TF_DETERMINISTIC_OPS', 'TF_CUDNN_DETERMINISTIC', 'TF_CUDNN_USE_AUTOTUNE', 'NVIDIA_TF32_OVERRIDE'].map(
        (name) => told[name],
      ),
      ['1', '1', '0', '0'],
    );
    assert.equal(told['LVNET_DEVICE_MEMORY_MIB'], undefined);
  });

  it('counts devices among those that the user left visible', () => {
    const visible = { CUDA_VISIBLE_DEVICES: '4,6' };
    const deviceOf = (device: number) =>
      environmentOf({ device, threads: 1 }, visible)['CUDA_VISIBLE_DEVICES'];
    assert.deepEqual([deviceOf(0), deviceOf(1), deviceOf(2)], ['4', '6', '-1']);
  });

  it('hands on the limit of memory in whole MiB', () => {
    const told = environmentOf({ device: 0, threads: 1, memoryBytes: 8 * 2 ** 30 + 5 }, {});
    assert.equal(told['LVNET_DEVICE_MEMORY_MIB'], '8192');
  });
});

describe('looking for TensorFlow', () => {
  it('takes the folder that is named and no other', () => {
    assert.equal(findBinding({ LVNET_TENSORFLOW: '/nowhere' }), undefined);
  });

  it('has a name for a GPU that the driver does not tell of', () => {
    assert.equal(gpuModel(63, { CUDA_VISIBLE_DEVICES: '63' }), 'GPU 63');
  });
});

describe('counting GPUs', () => {
  it('counts those that the user left visible, or all that the driver has', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpus-'));
    try {
      for (const bus of ['0000:01:00.0', '0000:02:00.0']) mkdirSync(join(folder, bus));
      assert.equal(countGpus({}, folder), 2);
      assert.equal(countGpus({ CUDA_VISIBLE_DEVICES: '3,5,6' }, folder), 3);
      for (const none of ['', '-1']) assert.equal(countGpus({ CUDA_VISIBLE_DEVICES: none }, folder), 0);
      assert.equal(countGpus({}, join(folder, 'none')), 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('finds none where TensorFlow is not set up', () => {
    assert.equal(usableGpus({ LVNET_TENSORFLOW: '/nowhere', CUDA_VISIBLE_DEVICES: '0,1' }), 0);
  });
});

describe('the libraries that compute on GPUs', () => {
  it('are named with their versions, which decide bytes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cuda-'));
    try {
      const wheels = [
        'nvidia_cudnn_cu12-9.28.0.42',
        'nvidia_cublas_cu12-12.9.3.13',
        'nvidia_nccl_cu12-2.32.3',
      ];
      for (const wheel of wheels) mkdirSync(join(folder, 'deps', `${wheel}.dist-info`), { recursive: true });
      assert.deepEqual(cudaLibraries(folder), ['cublas 12.9.3.13', 'cudnn 9.28.0.42']);
      assert.deepEqual(cudaLibraries(join(folder, 'none')), []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

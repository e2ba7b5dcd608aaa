import { Failure } from '@lvnet/core';
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import * as nifti from 'nifti-reader-js';
import { describeVolume } from '../describe.js';
import { smallNifti, temporaryFolder } from '../test-data.fixture.js';
import { readLabelMap, readNifti } from './read.js';
import { writeNifti } from './write.js';

const values = Float32Array.from({ length: 24 }, (_, i) => i - 5);

/** Bytes of a voxel array in a byte order. */
function voxelBytes(
  width: number,
  write: (view: DataView, at: number, value: number, littleEndian: boolean) => void,
  numbers: readonly number[],
  littleEndian: boolean,
): Buffer {
  const bytes = Buffer.alloc(numbers.length * width);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  numbers.forEach((value, i) => {
    write(view, i * width, value, littleEndian);
  });
  return bytes;
}

/** Changes the byte order of every header field that is read. */
function bigEndianHeader(little: Buffer): Buffer {
  const big = Buffer.from(little.subarray(0, 352));
  const swap = (at: number, width: number, count = 1) => {
    for (let i = 0; i < count; i++) big.subarray(at + i * width, at + (i + 1) * width).reverse();
  };
  swap(0, 4);
  swap(40, 2, 8);
  swap(70, 2, 2);
  swap(76, 4, 11);
  swap(252, 2, 2);
  swap(256, 4, 18);
  return big;
}

describe('readNifti', () => {
  const folder = temporaryFolder();
  const save = async (name: string, bytes: Uint8Array) => {
    await writeFile(folder.path(name), bytes);
    return folder.path(name);
  };

  const numbers = [-100, -1, 0, 1, 7, 99];
  const types = [
    {
      name: 'int8',
      code: 256,
      width: 1,
      write: (v: DataView, at: number, x: number) => {
        v.setInt8(at, x);
      },
    },
    {
      name: 'uint8',
      code: 2,
      width: 1,
      write: (v: DataView, at: number, x: number) => {
        v.setUint8(at, Math.abs(x));
      },
    },
    {
      name: 'int16',
      code: 4,
      width: 2,
      write: (v: DataView, at: number, x: number, le: boolean) => {
        v.setInt16(at, x, le);
      },
    },
    {
      name: 'uint16',
      code: 512,
      width: 2,
      write: (v: DataView, at: number, x: number, le: boolean) => {
        v.setUint16(at, Math.abs(x), le);
      },
    },
    {
      name: 'int32',
      code: 8,
      width: 4,
      write: (v: DataView, at: number, x: number, le: boolean) => {
        v.setInt32(at, x, le);
      },
    },
    {
      name: 'uint32',
      code: 768,
      width: 4,
      write: (v: DataView, at: number, x: number, le: boolean) => {
        v.setUint32(at, Math.abs(x), le);
      },
    },
    {
      name: 'float32',
      code: 16,
      width: 4,
      write: (v: DataView, at: number, x: number, le: boolean) => {
        v.setFloat32(at, x, le);
      },
    },
    {
      name: 'float64',
      code: 64,
      width: 8,
      write: (v: DataView, at: number, x: number, le: boolean) => {
        v.setFloat64(at, x, le);
      },
    },
    {
      name: 'int64',
      code: 1024,
      width: 8,
      write: (v: DataView, at: number, x: number, le: boolean) => {
        v.setBigInt64(at, BigInt(x), le);
      },
    },
    {
      name: 'uint64',
      code: 1280,
      width: 8,
      write: (v: DataView, at: number, x: number, le: boolean) => {
        v.setBigUint64(at, BigInt(Math.abs(x)), le);
      },
    },
  ];
  for (const { name, code, width, write } of types) {
    for (const littleEndian of [true, false]) {
      it(`reads ${name}, ${littleEndian ? 'little' : 'big'}-endian, scaled and rounded once`, async () => {
        const header = smallNifti({ voxels: new Int16Array(6), shape: [1, 2, 3] }).subarray(0, 352);
        header.writeInt16LE(code, 70);
        header.writeFloatLE(-0.1, 112);
        header.writeFloatLE(1000.5, 116);
        const head = littleEndian ? header : bigEndianHeader(header);
        const path = await save(
          'typed.nii',
          Buffer.concat([head, voxelBytes(width, write, numbers, littleEndian)]),
        );
        const { voxels, datatype } = await readNifti(path);
        const slope = Math.fround(-0.1);
        const unsigned = name.startsWith('u');
        const expected = numbers.map((x) => Math.fround((unsigned ? Math.abs(x) : x) * slope + 1000.5));
        assert.deepEqual([...voxels], expected);
        assert.equal(datatype, name);
      });
    }
  }

  for (const [what, slope] of [
    ['0', 0],
    ['NaN', NaN],
    ['infinite', Infinity],
  ] as const) {
    it(`takes a slope that is ${what} as no scaling`, async () => {
      const bytes = smallNifti();
      bytes.writeFloatLE(slope, 112);
      bytes.writeFloatLE(7, 116);
      assert.deepEqual((await readNifti(await save('slope.nii', bytes))).voxels, values);
    });
  }

  it('joins the members of a gzip file, wherever they are cut', async () => {
    const bytes = smallNifti();
    const path = await save(
      'members.nii.gz',
      Buffer.concat([0, 100, 361].map((at, i, cuts) => gzipSync(bytes.subarray(at, cuts[i + 1])))),
    );
    assert.deepEqual((await readNifti(path)).voxels, values);
  });

  it('tells gzip by content, not by name', async () => {
    assert.deepEqual((await readNifti(await save('plain.nii', gzipSync(smallNifti())))).voxels, values);
    assert.deepEqual((await readNifti(await save('packed.nii.gz', smallNifti()))).voxels, values);
  });

  it('reads voxels behind extensions', async () => {
    const plain = smallNifti();
    plain.writeFloatLE(368, 108);
    const bytes = Buffer.concat([plain.subarray(0, 352), Buffer.alloc(16, 9), plain.subarray(352)]);
    assert.deepEqual((await readNifti(await save('extended.nii', bytes))).voxels, values);
  });

  it('accepts a singleton fourth axis and a flat image', async () => {
    const four = smallNifti();
    four.writeInt16LE(4, 40);
    assert.deepEqual((await readNifti(await save('four.nii', four))).shape, [2, 3, 4]);
    const flat = smallNifti({ voxels: new Int16Array(6), shape: [2, 3, 1] });
    flat.writeInt16LE(2, 40);
    flat.writeInt16LE(0, 46);
    assert.deepEqual((await readNifti(await save('flat.nii', flat))).shape, [2, 3, 1]);
  });

  it('takes the sform, else the qform, else the voxel sizes', async () => {
    const bytes = smallNifti();
    const sform = await describeVolume(await save('place.nii', bytes));
    assert.deepEqual(sform.affine, [-2, 0, 0, 10, 0, 3, 0, -20, 0, 0, 4, 30, 0, 0, 0, 1]);
    assert.deepEqual([sform.spacingMm, sform.orientation], [[2, 3, 4], 'LAS']);
    bytes.writeInt16LE(0, 254);
    const qform = await describeVolume(await save('place.nii', bytes));
    assert.deepEqual(qform.affine, sform.affine);
    bytes.writeInt16LE(0, 252);
    const neither = await describeVolume(await save('place.nii', bytes));
    assert.deepEqual(neither.affine, [2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1]);
    assert.equal(neither.orientation, 'RAS');
  });

  it('names the axes of an oblique and permuted volume', async () => {
    const affine = [0.1, -0.2, 2.9, 5, 1.9, 0.1, 0.1, 6, 0.05, 1.4, 0.3, 7, 0, 0, 0, 1];
    const { orientation, spacingMm } = await readNifti(await save('oblique.nii', smallNifti({ affine })));
    assert.equal(orientation, 'ASR');
    assert.ok(Math.abs(spacingMm[0] - Math.sqrt(0.01 + 3.61 + 0.0025)) < 1e-6);
  });

  it('agrees with an independent reader about header and voxels', async () => {
    const path = await save('judge.nii', smallNifti());
    const buffer = new Uint8Array(smallNifti()).buffer;
    const header = nifti.readHeader(buffer);
    const { shape, affine } = await readNifti(path);
    assert.deepEqual(header.dims.slice(1, 4), shape);
    assert.deepEqual(header.affine.flat(), affine);
    assert.deepEqual(new Int16Array(nifti.readImage(header, buffer)), Int16Array.from(values));
  });

  it('refuses voxels that are no numbers with their count, or replaces them when asked to', async () => {
    const voxels = Float32Array.of(1, NaN, Infinity, 4);
    const path = await save('nan.nii', smallNifti({ voxels, shape: [4, 1, 1] }));
    await assert.rejects(readNifti(path), { code: 'VOLUME_INVALID', details: { path, count: 2 } });
    assert.deepEqual([...(await readNifti(path, { replaceNonFinite: -1024 })).voxels], [1, -1024, -1024, 4]);
  });

  it('reads label maps of any type and refuses values that are no labels', async () => {
    const float = smallNifti({ voxels: Float32Array.of(0, 1, 2, 255), shape: [4, 1, 1] });
    assert.deepEqual([...(await readLabelMap(await save('label.nii', float))).labels], [0, 1, 2, 255]);
    for (const value of [0.5, -1, 256, NaN]) {
      const path = await save('bad.nii', smallNifti({ voxels: Float32Array.of(0, value), shape: [2, 1, 1] }));
      await assert.rejects(readLabelMap(path), { code: 'VOLUME_INVALID' });
    }
  });

  const patched = (change: (bytes: Buffer) => void) => {
    const bytes = smallNifti();
    change(bytes);
    return bytes;
  };
  const packed = gzipSync(smallNifti());
  const broken: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['an empty file', Buffer.alloc(0), /is empty/],
    ['a text file', Buffer.from('hello '.repeat(100)), /no NIfTI file/],
    [
      'a Git LFS pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
      /LFS pointer/,
    ],
    ['half a header', smallNifti().subarray(0, 200), /inside the header/],
    ['NIfTI-2', patched((b) => b.writeInt32LE(540, 0)), /NIfTI-2/],
    ['a header of a pair', patched((b) => b.write('ni1\0', 344)), /\.hdr\/\.img/],
    ['a wrong magic', patched((b) => b.write('abc\0', 344)), /lacks the mark/],
    ['no axes', patched((b) => b.writeInt16LE(0, 40)), /0 axes/],
    ['a negative extent', patched((b) => b.writeInt16LE(-2, 42)), /-2 voxels/],
    [
      'several volumes',
      patched((b) => {
        b.writeInt16LE(4, 40);
        b.writeInt16LE(3, 48);
      }),
      /several volumes/,
    ],
    [
      'an absurd claim',
      patched((b) => {
        for (const at of [42, 44, 46]) b.writeInt16LE(32767, at);
      }),
      /more than can be held/,
    ],
    [
      'a claim the file cannot keep',
      patched((b) => {
        b.writeInt16LE(1000, 42);
        b.writeInt16LE(1000, 44);
      }),
      /cut off/,
    ],
    ['colours', patched((b) => b.writeInt16LE(128, 70)), /voxel type 128/],
    ['an offset inside the header', patched((b) => b.writeFloatLE(10, 108)), /begin at 10/],
    ['an intercept that is no number', patched((b) => b.writeFloatLE(NaN, 116)), /intercept/],
    ['a singular sform', patched((b) => b.fill(0, 280, 328)), /sform or qform/],
    [
      'a quaternion that is too long',
      patched((b) => {
        b.writeInt16LE(0, 254);
        b.writeFloatLE(3, 256);
      }),
      /sform or qform/,
    ],
    ['a truncated body', smallNifti().subarray(0, 380), /cut off/],
    ['a truncated gzip', packed.subarray(0, packed.length - 12), /broken|cut off/],
    ['a gzip cut in its checksum', packed.subarray(0, packed.length - 4), /broken/],
    [
      'a corrupt gzip',
      Buffer.from(packed.map((byte, i) => (i === packed.length - 6 ? byte ^ 1 : byte))),
      /broken/,
    ],
    [
      'a gzip that claims what it cannot hold',
      gzipSync(
        patched((b) => {
          b.writeInt16LE(8000, 42);
          b.writeInt16LE(8000, 44);
        }),
      ),
      /cut off/,
    ],
    ['a gzip bomb', gzipSync(Buffer.concat([smallNifti(), Buffer.alloc(8 << 20)])), /far more data/],
  ];
  for (const [what, bytes, message] of broken) {
    it(`refuses ${what} with one clear error`, async () => {
      const path = await save('broken.nii.gz', bytes);
      await assert.rejects(readNifti(path), (error) => {
        assert.ok(error instanceof Failure, String(error));
        assert.equal(error.code, 'NIFTI_INVALID');
        assert.match(error.message, message);
        assert.ok(error.message.startsWith(path) && error.hint !== '');
        return true;
      });
    });
  }

  it('says that a file is not there', async () => {
    await assert.rejects(readNifti(folder.path('absent.nii')), { code: 'FILE_NOT_FOUND' });
    await assert.rejects(readNifti(folder.path('.')), { code: 'NIFTI_INVALID' });
  });
});

describe('writeNifti', () => {
  const folder = temporaryFolder();
  const affines: readonly (readonly [string, number[]])[] = [
    ['LAS', [-2, 0, 0, 10, 0, 3, 0, -20, 0, 0, 4, 30, 0, 0, 0, 1]],
    ['RAS', [2, 0, 0, 1, 0, 2, 0, 2, 0, 0, 2, 3, 0, 0, 0, 1]],
    ['LPS', [-1, 0, 0, 1, 0, -1, 0, 2, 0, 0, 5, 3, 0, 0, 0, 1]],
    ['PIR', [0, 0, 3, 1, -1, 0, 0, 2, 0, -2, 0, 3, 0, 0, 0, 1]],
    ['RAI', [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1]],
  ];
  for (const [orientation, affine] of affines) {
    it(`keeps voxels and place, in sform and qform alike (${orientation})`, async () => {
      const path = folder.path(`${orientation}.nii.gz`);
      const voxels = Int16Array.from(values);
      await writeNifti(path, { voxels, shape: [2, 3, 4], affine, datatype: 'int16', description: 'a test' });
      const back = await readNifti(path);
      assert.deepEqual(
        [back.voxels, back.affine, back.orientation, back.datatype],
        [values, affine, orientation, 'int16'],
      );
      const bytes = smallNifti({ affine });
      bytes.writeInt16LE(0, 254);
      await writeFile(folder.path('qform.nii'), bytes);
      const qform = await readNifti(folder.path('qform.nii'));
      qform.affine.forEach((value, i) => {
        assert.ok(Math.abs(value - (affine[i] ?? 0)) < 1e-5);
      });
    });
  }

  it('gives the same bytes for the same content', async () => {
    const content = { voxels: Uint8Array.of(1, 2), shape: [2, 1, 1], affine: affines[0]?.[1] ?? [] } as const;
    await writeNifti(folder.path('a.nii.gz'), content);
    const one = await describeVolume(folder.path('a.nii.gz'));
    await writeNifti(folder.path('b.nii'), content);
    assert.deepEqual(await describeVolume(folder.path('b.nii')), one);
    assert.deepEqual([one.min, one.max, one.datatype], [1, 2, 'uint8']);
  });

  it('refuses voxels that do not fill the shape, and an affine that is none', async () => {
    const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    const voxels = new Uint8Array(5);
    await assert.rejects(writeNifti(folder.path('c.nii'), { voxels, shape: [2, 3, 1], affine }), {
      code: 'SHAPE_MISMATCH',
    });
    await assert.rejects(
      writeNifti(folder.path('c.nii'), { voxels, shape: [5, 1, 1], affine: affine.map(() => 0) }),
      {
        code: 'ARGUMENT_INVALID',
      },
    );
  });
});

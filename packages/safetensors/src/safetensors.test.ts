import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  decodeSafetensors,
  encodeSafetensors,
  float32Of,
  SafetensorsError,
  type NamedTensor,
} from './index.js';

const weight: NamedTensor = {
  name: 'conv.weight',
  dtype: 'F32',
  shape: [2, 3],
  data: Float32Array.of(1, -2, 0.5, Number.NaN, Number.POSITIVE_INFINITY, -0),
};
const label: NamedTensor = { name: 'label', dtype: 'U8', shape: [3], data: Uint8Array.of(0, 1, 2) };
const count: NamedTensor = { name: 'n', dtype: 'I64', shape: [], data: BigInt64Array.of(-7n) };
const empty: NamedTensor = { name: 'empty', dtype: 'I16', shape: [0, 4], data: new Int16Array(0) };

const dtypes = {
  ...{ F64: Float64Array, F32: Float32Array, I32: Int32Array },
  ...{ I16: Int16Array, U32: Uint32Array },
};

function fileOf(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

describe('safetensors', () => {
  it('gives back what was written, in order, with metadata', () => {
    const bytes = encodeSafetensors([label, weight, count, empty], { b: '2', a: '1' });
    const { tensors, metadata } = decodeSafetensors(bytes);
    assert.deepEqual([...tensors.values()].sort(byName), [label, weight, count, empty].sort(byName));
    assert.deepEqual(metadata, { a: '1', b: '2' });
  });

  it('writes the bytes that the format prescribes', () => {
    const bytes = Buffer.from(encodeSafetensors([label]));
    const header = '{"label":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}';
    assert.equal(bytes.readBigUInt64LE(0), 64n);
    assert.equal(bytes.subarray(8, 72).toString(), header.padEnd(64));
    assert.deepEqual([...bytes.subarray(72)], [0, 1, 2]);
  });

  it('gives the same bytes whatever the order of the metadata, names that are numbers included', () => {
    const named = [weight, { ...label, name: '10' }, { ...count, name: '2' }];
    const one = encodeSafetensors(named, { x: '1', a: '2' });
    assert.deepEqual(encodeSafetensors(named, { a: '2', x: '1' }), one);
    assert.deepEqual([...decodeSafetensors(one).tensors.keys()], ['conv.weight', '10', '2']);
  });

  it('views aligned tensors and copies only the others', () => {
    const bytes = encodeSafetensors([weight, label, { ...weight, name: 'w2' }]);
    const { tensors } = decodeSafetensors(bytes);
    assert.equal(tensors.get('conv.weight')?.data.buffer, bytes.buffer);
    const second = tensors.get('w2');
    assert.ok(second !== undefined);
    assert.notEqual(second.data.buffer, bytes.buffer);
    assert.deepEqual(float32Of(second), weight.data);
  });

  it('copies what is not aligned from a Buffer too, as files and sockets give it', () => {
    for (const before of [label, { ...weight, shape: [1], data: Float32Array.of(1) }]) {
      for (const dtype of ['I64', 'F64', 'F32', 'I32', 'I16', 'U32'] as const) {
        const data = dtype === 'I64' ? BigInt64Array.of(5n) : dtypes[dtype].of(5);
        const file = Buffer.from(
          encodeSafetensors([
            { ...before, name: 'first' },
            { name: 'x', dtype, shape: [1], data },
          ]),
        );
        assert.deepEqual(decodeSafetensors(file).tensors.get('x')?.data, data, dtype);
      }
    }
  });

  it('refuses float32 of another type and reads raw bytes of the right one', () => {
    assert.throws(() => float32Of(label), SafetensorsError);
    const raw = new Uint8Array(Float32Array.of(3, 4).buffer);
    assert.deepEqual(float32Of({ name: 'r', dtype: 'F32', shape: [2], data: raw }), Float32Array.of(3, 4));
  });

  const badTensors: [string, NamedTensor[]][] = [
    ['a repeated name', [label, label]],
    ['the reserved name', [{ ...label, name: '__metadata__' }]],
    ['a size that does not fit', [{ ...label, shape: [4] }]],
    ['a negative extent', [{ ...label, shape: [-3] }]],
  ];
  for (const [what, tensors] of badTensors) {
    it(`refuses to write ${what}`, () => {
      assert.throws(() => encodeSafetensors(tensors), SafetensorsError);
    });
  }

  const u8 = (begin: number, end: number) => ({
    dtype: 'U8',
    shape: [end - begin],
    data_offsets: [begin, end],
  });
  const badFiles: [string, Uint8Array][] = [
    ['an empty file', new Uint8Array(0)],
    ['a header longer than the file', Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0, 123, 125)],
    ['a header beyond the limit', Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255)],
    ['a header that is no JSON', fileOf('{"a":')],
    ['a header that is no object', fileOf([])],
    ['an unknown type', fileOf({ a: { dtype: 'Q7', shape: [], data_offsets: [0, 0] } })],
    ['a type that every object has', fileOf({ a: { dtype: 'toString', shape: [], data_offsets: [0, 0] } })],
    ['a gap', fileOf({ a: u8(0, 1), b: u8(2, 3) }, new Uint8Array(3))],
    ['an overlap', fileOf({ a: u8(0, 2), b: u8(1, 3) }, new Uint8Array(3))],
    ['bytes after the last tensor', fileOf({ a: u8(0, 1) }, new Uint8Array(2))],
    ['offsets beyond the file', fileOf({ a: u8(0, 9) }, new Uint8Array(2))],
    ['backward offsets', fileOf({ a: { dtype: 'U8', shape: [0], data_offsets: [1, 0] } }, new Uint8Array(1))],
    ['a shape that does not fill its offsets', fileOf({ a: { ...u8(0, 2), shape: [3] } }, new Uint8Array(2))],
    ['a fractional extent', fileOf({ a: { ...u8(0, 2), shape: [0.5] } }, new Uint8Array(2))],
    ['an overflowing shape', fileOf({ a: { ...u8(0, 2), shape: [2 ** 40, 2 ** 40] } }, new Uint8Array(2))],
    ['metadata that is no text', fileOf({ __metadata__: { a: 1 } })],
  ];
  for (const [what, bytes] of badFiles) {
    it(`refuses ${what}`, () => {
      assert.throws(() => decodeSafetensors(bytes), SafetensorsError);
    });
  }

  it('answers any bytes with a value or a SafetensorsError', () => {
    const whole = encodeSafetensors([label, weight], { a: 'b' });
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, cut) => {
        const broken = whole.slice(0, cut === 0 ? whole.length : cut);
        if (at < broken.length) broken[at] = byte;
        try {
          decodeSafetensors(broken);
        } catch (error) {
          assert.ok(error instanceof SafetensorsError, String(error));
        }
      }),
    );
  });
});

function byName(a: NamedTensor, b: NamedTensor): number {
  return a.name < b.name ? -1 : 1;
}

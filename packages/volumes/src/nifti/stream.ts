import { Failure } from '@lvnet/core';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { viewVoxels, type RawVoxels } from './datatype.js';
import { headerBytes, invalidNifti, parseHeader, type NiftiHeader } from './header.js';

/** Receives the voxels of a file in order, piece by piece; `raw` is reused, so copy out of it. */
export interface VoxelSink {
  accept(raw: RawVoxels, at: number): void;
}

/**
 * Streams a .nii or .nii.gz (told by content, not by name; several gzip members are one file) into
 * the sink that `begin` returns. Holds one piece at a time. Nothing is allocated for a claim that the
 * file cannot keep, and the gzip checksum is always reached.
 *
 * @throws Failure('NIFTI_INVALID' | 'FILE_NOT_FOUND')
 */
export async function streamNifti(
  path: string,
  begin: (header: NiftiHeader) => VoxelSink,
): Promise<NiftiHeader> {
  const file = await inspect(path);
  const stream = openBytes(path, file.gzipped);
  const body = createBody(path, file, begin);
  try {
    for await (const chunk of stream) {
      if (!body.take(chunk as Buffer)) break;
    }
  } catch (error) {
    throw error instanceof Failure ? error : brokenGzip(path, error);
  } finally {
    stream.destroy();
  }
  return body.finish();
}

interface FileFacts {
  sizeBytes: number;
  gzipped: boolean;
}

async function inspect(path: string): Promise<FileFacts> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read(new Uint8Array(2), 0, 2, 0);
      return { sizeBytes: size, gzipped: bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b };
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EISDIR') throw invalidNifti(path, 'it is a folder', 'Give a .nii or .nii.gz file.', error);
    const what =
      code === 'ENOENT' ? `There is no file ${path}.` : `${path} cannot be read (${code ?? 'unknown'}).`;
    throw new Failure('FILE_NOT_FOUND', { path }, { message: what, hint: 'Check the path.', cause: error });
  }
}

function openBytes(path: string, gzipped: boolean): Readable {
  const source = createReadStream(path, { highWaterMark: 1 << 18 });
  if (!gzipped) return source;
  const unpacked = createGunzip({ chunkSize: 1 << 18 });
  // The consumer of `unpacked` sees every error; the callback only ties both lifetimes together.
  pipeline(source, unpacked, () => undefined);
  return unpacked;
}

function brokenGzip(path: string, error: unknown): Failure {
  const reason = error instanceof Error ? error.message : String(error);
  return invalidNifti(
    path,
    `its compressed data is broken (${reason})`,
    'Fetch or copy the file again.',
    error,
  );
}

/** Deflate cannot shrink data by more than this factor. */
const maxDeflateRatio = 1032;

/** Bytes behind the voxels that are read over in order to reach the checksum. */
const maxTrailingBytes = 1 << 20;

function assertPossible(path: string, header: NiftiHeader, { sizeBytes, gzipped }: FileFacts): void {
  const needed = header.dataOffset + dataBytesOf(header);
  const possible = gzipped ? sizeBytes * maxDeflateRatio : sizeBytes;
  if (needed <= possible) return;
  throw truncated(path, `${String(sizeBytes)} bytes${gzipped ? ' of compressed data' : ''}`, needed);
}

function truncated(path: string, found: string, needed: number): Failure {
  return invalidNifti(
    path,
    `it is cut off: its header promises ${String(needed)} bytes, there are ${found}`,
    'Fetch or copy the file again.',
  );
}

function dataBytesOf({ shape, bytesPerVoxel }: NiftiHeader): number {
  return shape[0] * shape[1] * shape[2] * bytesPerVoxel;
}

interface Body {
  /** False once nothing more is wanted. */
  take(chunk: Buffer): boolean;
  finish(): NiftiHeader;
}

function createBody(path: string, file: FileFacts, begin: (header: NiftiHeader) => VoxelSink): Body {
  let head: Buffer = Buffer.alloc(0);
  let decode: ((chunk: Buffer) => void) | undefined;
  let header: NiftiHeader | undefined;
  let seen = 0;
  const start = () => {
    const parsed = parseHeader(path, head.subarray(0, headerBytes));
    assertPossible(path, parsed, file);
    header = parsed;
    decode = createDecoder(parsed, begin(parsed));
    decode(head);
  };
  return {
    take(chunk) {
      seen += chunk.length;
      if (decode !== undefined) decode(chunk);
      else {
        head = Buffer.concat([head, chunk]);
        if (head.length >= headerBytes) start();
      }
      if (header === undefined) return true;
      const excess = seen - header.dataOffset - dataBytesOf(header);
      if (file.gzipped && excess > maxTrailingBytes) {
        throw invalidNifti(
          path,
          'it holds far more data than its header says',
          'Convert it anew from its source.',
        );
      }
      return file.gzipped || excess < 0;
    },
    finish() {
      const found = header ?? parseHeader(path, head);
      const needed = found.dataOffset + dataBytesOf(found);
      if (seen < needed) throw truncated(path, String(seen), needed);
      return found;
    },
  };
}

/** Cuts the byte stream (the whole file, header included) into runs of whole voxels for the sink. */
function createDecoder(header: NiftiHeader, sink: VoxelSink): (chunk: Buffer) => void {
  const { bytesPerVoxel, datatype } = header;
  const total = dataBytesOf(header) / bytesPerVoxel;
  let skip = header.dataOffset;
  let scratch = Buffer.alloc(0);
  let held = 0;
  let at = 0;
  return (chunk) => {
    const body = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - body.length;
    if (scratch.length < held + body.length) {
      const grown = Buffer.from(new ArrayBuffer(held + body.length + (1 << 16)));
      scratch.copy(grown, 0, 0, held);
      scratch = grown;
    }
    body.copy(scratch, held);
    held += body.length;
    const count = Math.min(Math.floor(held / bytesPerVoxel), total - at);
    const whole = scratch.subarray(0, count * bytesPerVoxel);
    if (!header.littleEndian) swap(whole, bytesPerVoxel);
    if (count > 0) sink.accept(viewVoxels(datatype, whole, count), at);
    at += count;
    scratch.copy(scratch, 0, whole.length, held);
    held = at === total ? 0 : held - whole.length;
  };
}

function swap(bytes: Buffer, width: number): void {
  if (width === 2) bytes.swap16();
  if (width === 4) bytes.swap32();
  if (width === 8) bytes.swap64();
}

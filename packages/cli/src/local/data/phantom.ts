import { resolve } from 'node:path';
import { counted } from '@lvnet/core';
import { writePhantomDataset } from '@lvnet/volumes';
import { print, say } from '../../cluster/print.js';
import { interruptible } from '../interruptible.js';

export interface PhantomFlags {
  out: string;
  cases: number;
  shape: [number, number, number];
  seed: number;
  json?: boolean;
}

export async function makePhantoms({ out, cases, shape, seed, json }: PhantomFlags): Promise<void> {
  const folder = resolve(out);
  let done = 0;
  const onWritten = (id: string) => {
    done++;
    say(`case ${id} (${String(done)} of ${String(cases)})`);
  };
  const written = await interruptible(
    (signal) => writePhantomDataset({ out: folder, cases, shape, seed, signal, onWritten }),
    () => `${String(done)} of ${counted(cases, 'phantom')} written; they stay.`,
  );
  print(json === true, { out: folder, seed, shape, cases: written }, () => [
    `${counted(cases, 'phantom')} of ${shape.join('x')} in ${folder}`,
  ]);
}

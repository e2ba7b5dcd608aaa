import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Failure, writeFileAtomic } from '@lvnet/core';
import {
  checkSplit,
  discoverCases,
  hashCase,
  loadSplit,
  makeSplit,
  type SplitCase,
  type SplitManifest,
} from '@lvnet/volumes';
import { print, say } from '../../cluster/print.js';
import { hashCachePath } from '../places.js';

export interface SplitFlags {
  train: number;
  validation: number;
  test: number;
  seed: number;
  out: string;
  force?: boolean;
  check?: string;
  json?: boolean;
}

export async function splitData(folder: string, flags: SplitFlags): Promise<void> {
  const manifest = flags.check === undefined ? undefined : await loadSplit(flags.check);
  const cases = await hashLabelled(folder);
  if (manifest !== undefined) {
    tell(flags, resolve(flags.check ?? ''), manifest, checkSplit(manifest, cases).warnings);
    return;
  }
  const { train, validation, test, seed } = flags;
  const drawn = makeSplit(cases, { train, validation, test }, seed);
  const file = resolve(flags.out);
  await writeSplit(file, drawn, flags.force === true);
  tell(flags, file, drawn, checkSplit(drawn, cases).warnings);
}

async function hashLabelled(folder: string): Promise<SplitCase[]> {
  const files = (await discoverCases(folder)).filter((item) => item.label !== undefined);
  const cases: SplitCase[] = [];
  for (const [i, item] of files.entries()) {
    say(`reading case ${item.id} (${String(i + 1)} of ${String(files.length)})`);
    const { contentSha256 } = await hashCase(item, { cachePath: hashCachePath() });
    cases.push({ case: item.id, contentSha256 });
  }
  return cases;
}

/** Trained networks refer to splits: another one is never written over by accident. */
async function writeSplit(file: string, manifest: SplitManifest, force: boolean): Promise<void> {
  const text = `${JSON.stringify(manifest, null, 1)}\n`;
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before === text) return;
  if (before !== undefined && !force) {
    throw new Failure(
      'ARGUMENT_INVALID',
      { file },
      { message: `${file} is there and holds something else.`, hint: 'Give another --out, or --force.' },
    );
  }
  await writeFileAtomic(file, text);
}

function tell(flags: SplitFlags, file: string, manifest: SplitManifest, warnings: readonly string[]): void {
  for (const warning of warnings) say(`warning: ${warning}`);
  const { train, validation, test, seed } = manifest;
  const ids = (cases: readonly SplitCase[]) => cases.map((item) => item.case);
  print(flags.json === true, { file, ...manifest, warnings }, () => [
    `${file}: ${flags.check === undefined ? `drawn with seed ${String(seed)}` : 'fits the folder'}`,
    `  train       ${String(train.length).padStart(4)}  ${ids(train).join(' ')}`,
    `  validation  ${String(validation.length).padStart(4)}  ${ids(validation).join(' ')}`,
    `  test        ${String(test.length).padStart(4)}  ${ids(test).join(' ')}`,
  ]);
}

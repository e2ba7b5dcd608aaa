import { InvalidArgumentError, Option } from 'commander';

/** Parsers of option values; commander puts the option's name in front of the text. */

export function parseCount(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('Give a whole number from 1 on.');
}

export function parseIndex(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number from 0 on.');
}

export function parsePort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError('Give a port from 1 to 65535, or 0 for any free one.');
}

export function parseSeed(text: string): number {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError('Give a whole number from 0 on.');
}

/** Slices, rows, columns. */
export function parseSizes(text: string): [number, number, number] {
  const [depth, rows, columns, ...rest] = text.split(/[,x]/).map((part) => part.trim());
  const sizes = [depth, rows, columns].map((part = '') => (/^\d+$/.test(part) ? Number(part) : 0));
  const [d = 0, h = 0, w = 0] = sizes;
  if (rest.length === 0 && sizes.every((size) => size >= 1 && size <= 4096)) return [d, h, w];
  throw new InvalidArgumentError('Give three whole numbers: slices,rows,columns, as in 16,256,256.');
}

export function parseWindow(text: string): [number, number] {
  const [low = '', high = '', ...rest] = text.split(',');
  const [from, to] = [low, high].map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (rest.length === 0 && from !== undefined && to !== undefined && from < to) return [from, to];
  throw new InvalidArgumentError('Give the lower and the upper end in HU, as in -200,200.');
}

const byteUnits: Record<string, number> = {
  ...{ b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 },
  ...{ kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 },
};

/** Bytes, as 11GB or 24GiB. */
export function parseBytes(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text) ?? [];
  const bytes = Number(digits) * (byteUnits[unit.toLowerCase()] ?? Number.NaN);
  if (digits !== '' && bytes >= 1) return Math.floor(bytes);
  throw new InvalidArgumentError('Give a number with its unit, as 11GB or 24GiB.');
}

/** A count of cases, or a fraction below 1. */
export function parseShare(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && (value < 1 || Number.isInteger(value))) return value;
  throw new InvalidArgumentError('Give a count as in 90, or a fraction as in 0.7.');
}

const collectValues = (value: string, before: string[]): string[] => [...before, value];

export const jsonOption = (): Option => new Option('--json', 'one JSON document on stdout');

export const storeOption = (): Option =>
  new Option(
    '--store <place>',
    "a folder, file:///folder or s3://bucket/prefix (default: LVNET_STORE, else the local cluster's)",
  );

export const engineOption = (): Option =>
  new Option('--engine <engine>', 'what computes')
    .choices(['auto', 'native', 'tensorflow', 'reference'])
    .default('auto', 'native where it is built, else reference');

export const threadsOption = (): Option =>
  new Option('--threads <number>', 'threads on the processor (default: all cores)').argParser(parseCount);

export const settingsOption = (example: string): Option =>
  new Option('--set <path=value>', `change one value, as in ${example}; may be repeated`)
    .argParser(collectValues)
    .default([], 'none');

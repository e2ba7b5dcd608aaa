import { describeVolume, type VolumeDescription } from '@lvnet/volumes';
import { print, table } from '../cluster/print.js';

export async function showVolume(file: string, { json }: { json?: boolean }): Promise<void> {
  const { affine, ...rest } = await describeVolume(file);
  const rows = rowsOf(affine);
  print(json === true, { ...rest, affine: rows }, () => volumeLines(rest, rows));
}

/** 16 numbers, row-major, as four rows. */
const rowsOf = (affine: readonly number[]): number[][] =>
  [0, 4, 8, 12].map((start) => affine.slice(start, start + 4));

function volumeLines(volume: Omit<VolumeDescription, 'affine'>, affine: readonly number[][]): string[] {
  const [first = [], ...others] = affine;
  return table([
    ['voxels', volume.shape.join(' x ')],
    ['spacing', `${volume.spacingMm.map((mm) => String(Number(mm.toFixed(4)))).join(' x ')} mm`],
    ['orientation', volume.orientation],
    ['type', volume.datatype],
    ['values', `${String(volume.min)} to ${String(volume.max)}`],
    ['affine', rowText(first)],
    ...others.map((row) => ['', rowText(row)]),
    ['sha256', volume.sha256],
  ]);
}

const rowText = (row: readonly number[]): string =>
  row.map((value) => String(Number(value.toFixed(4))).padStart(10)).join(' ');

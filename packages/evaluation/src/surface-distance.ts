import { envelopeScratch, nearestParabola } from './lower-envelope.js';
import type { Spacing, VolumeShape } from './mask.js';

/**
 * Distance in mm from each query voxel to the nearest site, exact in float64.
 *
 * A separable Euclidean distance transform: nearest site along x, then in the slice, then along z. The first two
 * passes keep whole offsets (4 bytes a voxel, no rounding); the last runs only through columns with a query.
 *
 * @param sites, queries ascending indices into a grid of `shape`, x fastest; there is at least one site
 */
export function distancesToSites(
  sites: Uint32Array,
  queries: Uint32Array,
  shape: VolumeShape,
  spacingMm: Spacing,
): Float64Array {
  const offsets = nearestInSlices(sites, shape, spacingMm);
  return alongColumns(offsets, queries, shape, spacingMm);
}

/** Per voxel the way to the nearest site of its slice: |dx| in the high half, |dy| in the low; or `nowhere`. */
function nearestInSlices(sites: Uint32Array, [nx, ny, nz]: VolumeShape, spacingMm: Spacing): Uint32Array {
  const area = nx * ny;
  const packed = new Uint32Array(area * nz).fill(nowhere);
  const inRows = new Uint16Array(area);
  const solve = sliceSolver(nx, ny, spacingMm);
  let next = 0;
  for (let z = 0; z < nz; z++) {
    const [start, end] = [z * area, (z + 1) * area];
    if (next >= sites.length || (sites[next] ?? 0) >= end) continue;
    inRows.fill(far);
    for (; next < sites.length && (sites[next] ?? 0) < end; next++) inRows[(sites[next] ?? 0) - start] = 0;
    for (let y = 0; y < ny; y++) spreadAlongRow(inRows, y * nx, nx);
    solve(inRows, packed.subarray(start, end));
  }
  return packed;
}

const far = 0xffff;
const nowhere = 0xffffffff;

/** From 0 at sites and `far` elsewhere to the whole distance along the row. */
function spreadAlongRow(row: Uint16Array, start: number, length: number): void {
  for (let i = start + 1; i < start + length; i++) row[i] = nearer(row[i], row[i - 1]);
  for (let i = start + length - 2; i >= start; i--) row[i] = nearer(row[i], row[i + 1]);
}

const nearer = (own = far, neighbour = far): number => (neighbour < own ? neighbour + 1 : own);

function sliceSolver(nx: number, ny: number, [sx, sy]: Spacing) {
  const heights = new Float64Array(ny);
  const nearest = new Int32Array(ny);
  const scratch = envelopeScratch(ny);
  return (inRows: Uint16Array, packed: Uint32Array) => {
    for (let x = 0; x < nx; x++) {
      for (let y = 0; y < ny; y++) {
        const dx = inRows[x + y * nx] ?? far;
        heights[y] = dx === far ? Infinity : (dx * sx) ** 2;
      }
      nearestParabola(heights, ny, sy, nearest, scratch);
      for (let y = 0; y < ny; y++) {
        const site = nearest[y] ?? -1;
        if (site >= 0) packed[x + y * nx] = (((inRows[x + site * nx] ?? 0) << 16) | Math.abs(y - site)) >>> 0;
      }
    }
  };
}

function alongColumns(
  packed: Uint32Array,
  queries: Uint32Array,
  [nx, ny, nz]: VolumeShape,
  [sx, sy, sz]: Spacing,
): Float64Array {
  const area = nx * ny;
  const heights = new Float64Array(nz);
  const nearest = new Int32Array(nz);
  const scratch = envelopeScratch(nz);
  const distances = new Float64Array(queries.length);
  for (const { column, members } of byColumn(queries, area)) {
    for (let z = 0; z < nz; z++) {
      const way = packed[column + z * area] ?? nowhere;
      heights[z] = way === nowhere ? Infinity : ((way >>> 16) * sx) ** 2 + ((way & 0xffff) * sy) ** 2;
    }
    nearestParabola(heights, nz, sz, nearest, scratch);
    for (const member of members) {
      const z = Math.floor((queries[member] ?? 0) / area);
      const site = nearest[z] ?? 0;
      distances[member] = Math.sqrt((heights[site] ?? 0) + ((z - site) * sz) ** 2);
    }
  }
  return distances;
}

/** The queries' places in their list, grouped by column; a counting sort. */
function* byColumn(queries: Uint32Array, area: number): Generator<{ column: number; members: Uint32Array }> {
  const ends = new Uint32Array(area + 1);
  for (const query of queries) ends[(query % area) + 1] = (ends[(query % area) + 1] ?? 0) + 1;
  for (let column = 0; column < area; column++)
    ends[column + 1] = (ends[column + 1] ?? 0) + (ends[column] ?? 0);
  const order = new Uint32Array(queries.length);
  const next = ends.slice(0, area);
  for (let i = 0; i < queries.length; i++) {
    const column = (queries[i] ?? 0) % area;
    const place = next[column] ?? 0;
    order[place] = i;
    next[column] = place + 1;
  }
  for (let column = 0; column < area; column++) {
    const members = order.subarray(ends[column], ends[column + 1]);
    if (members.length > 0) yield { column, members };
  }
}

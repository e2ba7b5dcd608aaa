import assert from 'node:assert/strict';
import { evaluateCase } from './case-metrics.js';
import type { VolumeShape } from './mask.js';
import { distancesToSites } from './surface-distance.js';
import { surfaceVoxels } from './surface.js';

const shape: VolumeShape = [512, 512, 200];
const spacingMm = [0.75, 0.75, 1.5] as const;

/** A ball of about a liver's size. */
function ball([cx, cy, cz]: readonly [number, number, number], radiusMm: number): Uint8Array {
  const [nx, ny, nz] = shape;
  const mask = new Uint8Array(nx * ny * nz);
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const rest = radiusMm ** 2 - ((y - cy) * spacingMm[1]) ** 2 - ((z - cz) * spacingMm[2]) ** 2;
      if (rest < 0) continue;
      const reach = Math.sqrt(rest) / spacingMm[0];
      const row = nx * (y + ny * z);
      mask.fill(1, row + Math.ceil(cx - reach), row + Math.floor(cx + reach) + 1);
    }
  }
  return mask;
}

describe('a pair of 512x512x200', function () {
  this.timeout(60_000);

  it('is measured within seconds', () => {
    const pair = {
      reference: ball([256, 256, 100], 80),
      prediction: ball([264, 256, 100], 80),
      shape,
      spacingMm,
    };
    const startMs = performance.now();
    const metrics = evaluateCase(pair);
    const seconds = (performance.now() - startMs) / 1000;
    // Balls 6 mm apart: no surface point is further away than that (and a voxel's diagonal for the raster).
    const diagonalMm = Math.hypot(...spacingMm);
    assert.ok(metrics.mssdMm !== null && metrics.assdMm !== null && metrics.hd95Mm !== null);
    assert.ok(Math.abs(metrics.mssdMm - 6) <= diagonalMm, `MSSD ${String(metrics.mssdMm)}`);
    // Smooth spheres have |6 cos| mm, 3 in the mean; the raster's shell of about a voxel takes some off.
    assert.ok(Math.abs(metrics.assdMm - 3) <= diagonalMm / 2, `ASSD ${String(metrics.assdMm)}`);
    assert.ok(metrics.hd95Mm <= metrics.mssdMm);
    assert.ok(seconds < 20, `${seconds.toFixed(1)} s`);
  });

  it('has the distances that a search over all surface points finds', () => {
    const [sites, queries] = [
      surfaceVoxels({ mask: ball([256, 256, 100], 80), shape }, 18),
      surfaceVoxels({ mask: ball([250, 290, 90], 60), shape }, 18),
    ];
    const found = distancesToSites(sites, queries, shape, spacingMm);
    for (let i = 0; i < queries.length; i += 1999) {
      const expected = nearestByForce(queries[i] ?? 0, sites);
      assert.ok(Math.abs((found[i] ?? 0) - expected) <= 1e-12 * expected);
    }
  });
});

function nearestByForce(query: number, sites: Uint32Array): number {
  const [nx, ny] = shape;
  const pointOf = (at: number) => [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))] as const;
  const [x, y, z] = pointOf(query);
  let nearest = Infinity;
  for (const site of sites) {
    const [sx, sy, sz] = pointOf(site);
    const square =
      ((sx - x) * spacingMm[0]) ** 2 + ((sy - y) * spacingMm[1]) ** 2 + ((sz - z) * spacingMm[2]) ** 2;
    if (square < nearest) nearest = square;
  }
  return Math.sqrt(nearest);
}

import type { Anatomy, Ellipsoid, Organ, OrganKind } from './anatomy.js';
import { noiseField, type NoiseField } from './noise.js';

/** A phantom in canonical order: [depth, rows, columns], columns fastest. */
export interface RenderedPhantom {
  hu: Int16Array;
  label: Uint8Array;
}

/** Position in voxels of a 64 x 64 slice, whatever the size: textures keep their scale relative to the body. */
interface Spot {
  x: number;
  y: number;
  z: number;
}

interface Fields {
  shape: NoiseField;
  texture: NoiseField;
  scanner: NoiseField;
}

const referenceColumns = 64;

/** Draws the voxels of a patient. */
export function renderPhantom(
  anatomy: Anatomy,
  [depth, rows, columns]: readonly [number, number, number],
  seed: number,
): RenderedPhantom {
  const fields = { shape: noiseField(seed), texture: noiseField(seed + 1), scanner: noiseField(seed + 2) };
  const hu = new Int16Array(depth * rows * columns);
  const label = new Uint8Array(hu.length);
  let at = 0;
  for (let k = 0; k < depth; k++) {
    for (let j = 0; j < rows; j++) {
      for (let i = 0; i < columns; i++) {
        const [u, v, w] = [(i + 0.5) / columns, (j + 0.5) / rows, (k + 0.5) / depth];
        const spot = { x: u * referenceColumns, y: v * referenceColumns, z: k };
        const tissue = tissueAt(anatomy, fields, u, v, w, spot);
        const noise = anatomy.noiseHu * fields.scanner.white(i, j, k) * (tissue.hu < -300 ? 0.5 : 1);
        hu[at] = Math.round(Math.max(-1024, tissue.hu + noise));
        label[at] = tissue.label;
        at++;
      }
    }
  }
  return { hu, label };
}

interface Tissue {
  hu: number;
  label: 0 | 1 | 2;
}

const fatHu = -95;

function tissueAt(anatomy: Anatomy, fields: Fields, u: number, v: number, w: number, spot: Spot): Tissue {
  const { body } = anatomy;
  const [du, dv] = [(u - body.centre[0]) / body.radii[0], (v - body.centre[1]) / body.radii[1]];
  const ring =
    Math.sqrt(du * du + dv * dv) + 0.02 * fields.shape.smooth(spot.x + 300, spot.y, spot.z, 12, 12);
  if (ring > 1) return { hu: -1000, label: 0 };
  if (ring > 1 - body.fat) return { hu: fatHu, label: 0 };
  const wall = ring > 1 - body.fat - body.wall;
  const organ = organAt(anatomy, fields, u, v, w, spot);
  if (organ !== undefined && (!wall || organ.kind === 'spine'))
    return organTissue(anatomy, organ, fields, u, v, w, spot);
  if (wall) return { hu: wallHu(anatomy, fields, spot), label: 0 };
  return {
    hu: w > anatomy.lungFrom ? -800 : fatHu + 20 * fields.texture.smooth(spot.x, spot.y, spot.z, 5, 5),
    label: 0,
  };
}

/** How far inside an ellipsoid: 1 at its centre, 0 on its surface. */
function depthInside({ centre, radii }: Ellipsoid, u: number, v: number, w: number): number {
  const [x, y, z] = [(u - centre[0]) / radii[0], (v - centre[1]) / radii[1], (w - centre[2]) / radii[2]];
  return 1 - (x * x + y * y + z * z);
}

/** Organs that touch leave a thin rim of fat between them, where both are equally deep. */
const rimWidth = 0.09;

/** Every organ's surface is bent by a smooth field; where organs meet, the deeper one wins. */
function organAt(
  anatomy: Anatomy,
  fields: Fields,
  u: number,
  v: number,
  w: number,
  spot: Spot,
): Organ | undefined {
  let found: Organ | undefined;
  let deepest = 0;
  let second = 0;
  for (const [i, organ] of anatomy.organs.entries()) {
    let inside = depthInside(organ, u, v, w);
    if (inside < -0.6) continue;
    const bend = organ.kind === 'liver' ? 0.22 : organ.kind === 'spine' ? 0 : 0.25;
    const offset = organ.kind === 'liver' ? 0 : 40 * i;
    if (bend > 0) inside += bend * fields.shape.smooth(spot.x + offset, spot.y, spot.z, 17, 10);
    if (organ.kind === 'spine' && inside > 0) return organ;
    if (inside > deepest) {
      if (found?.kind !== organ.kind) second = deepest;
      [found, deepest] = [organ, inside];
    } else if (inside > second && found?.kind !== organ.kind) second = inside;
  }
  const rim = second > 0 && deepest - second < rimWidth;
  return rim ? undefined : found;
}

function organTissue(
  anatomy: Anatomy,
  organ: Organ,
  fields: Fields,
  u: number,
  v: number,
  w: number,
  spot: Spot,
): Tissue {
  const hu = organ.hu + textures[organ.kind](fields.texture, spot);
  if (organ.kind !== 'liver') return { hu, label: 0 };
  const lesion = anatomy.lesions.some((item) => depthInside(item, u, v, w) > 0);
  return lesion ? { hu: hu + anatomy.lesionHu, label: 2 } : { hu, label: 1 };
}

/** Each organ's pattern has about the same spread of values, so that no single voxel tells them apart. */
const textures: Readonly<Record<OrganKind, (field: NoiseField, spot: Spot) => number>> = {
  liver: (field, { x, y, z }) => grain(field, { x, y, z }) + vessel(field, { x, y, z }),
  spleen: (field, { x, y, z }) => 30 * field.smooth(x, y, z, 9, 7),
  stomach: (field, { x, y, z }) => 45 * field.smooth(x, y, z, 16, 10),
  kidney: (field, { x, y, z }) => 30 * field.smooth(x, y, z, 7, 6),
  bowel: (field, { x, y, z }) => 40 * field.smooth(x, y, z, 10, 8),
  heart: (field, { x, y, z }) => 30 * field.smooth(x, y, z, 12, 8),
  spine: (field, { x, y, z }) => 60 * field.smooth(x, y, z, 4, 3),
};

/** Granular tissue: cells of one voxel of the reference slice. */
function grain(field: NoiseField, { x, y, z }: Spot): number {
  return 55 * field.white(Math.floor(x), Math.floor(y), z);
}

/** Bright where two smooth fields are both near zero: thin winding tubes. */
function vessel(field: NoiseField, { x, y, z }: Spot): number {
  const first = field.smooth(x + 500, y, z, 9, 7);
  if (first > 0.16 || first < -0.16) return 0;
  const second = field.smooth(x, y + 500, z, 9, 7);
  return second > 0.16 || second < -0.16 ? 0 : 40;
}

function wallHu(anatomy: Anatomy, fields: Fields, { x, y, z }: Spot): number {
  const rib = fields.shape.smooth(x, y + 200, z, 6, 4);
  return rib > 0.45 ? 320 : anatomy.muscleHu + 40 * fields.texture.smooth(x, y, z, 12, 3);
}

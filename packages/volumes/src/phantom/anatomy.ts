import { counterRandom } from '@lvnet/core';

export type OrganKind = 'liver' | 'spleen' | 'stomach' | 'kidney' | 'bowel' | 'heart' | 'spine';

/** An ellipsoid; lengths are parts of the volume's extent along columns, rows and slices. */
export interface Ellipsoid {
  centre: readonly [number, number, number];
  radii: readonly [number, number, number];
}

export interface Organ extends Ellipsoid {
  kind: OrganKind;
  /** Mean intensity of the case's organ. */
  hu: number;
}

/** Everything about one phantom patient but the random fields. */
export interface Anatomy {
  body: { centre: readonly [number, number]; radii: readonly [number, number]; fat: number; wall: number };
  organs: readonly Organ[];
  lesions: readonly Ellipsoid[];
  muscleHu: number;
  lesionHu: number;
  /** Slices (as a part) from which on the cavity is lung. */
  lungFrom: number;
  noiseHu: number;
}

/**
 * Draws a patient. The intensities of soft tissues lie around one value per patient and overlap, the
 * liver touches neighbours of its own intensity, and its place, size and shape vary so much that
 * neither a window of intensities nor a mean of other patients finds it: grain, edges and neighbours do.
 */
export function drawAnatomy(seed: number, index: number): Anatomy {
  const random = counterRandom('phantom', seed, index);
  const draw = (low: number, high: number) => low + (high - low) * random.next();
  const tissueHu = draw(62, 86);
  const near = (spread: number) => tissueHu + draw(-spread, spread);
  const size = draw(0.88, 1.02);
  const [cx, cy] = [0.5 + draw(-0.04, 0.04), 0.5 + draw(-0.05, 0.05)];
  const place = (dx: number, dy: number, z: number): Ellipsoid['centre'] => [
    cx + dx * size,
    cy + dy * size,
    z,
  ];
  const extent = (x: number, y: number, z: number, factor = 1): Ellipsoid['radii'] => [
    x * size * factor,
    y * size * factor,
    z * factor,
  ];
  const liverZ = draw(0.34, 0.66);
  const bulk = draw(0.8, 1.16);
  const lobe = draw(0.7, 1.15);
  const liverHu = tissueHu + draw(27, 39);
  const liverAt = place(-0.19 + draw(-0.05, 0.05), -0.01 + draw(-0.07, 0.07), liverZ);
  const organs: Organ[] = [
    { kind: 'liver', hu: liverHu, centre: liverAt, radii: extent(0.24, 0.255, 0.46, bulk) },
    {
      kind: 'liver',
      hu: liverHu,
      centre: [liverAt[0] + 0.2 * size, liverAt[1] - 0.07 * size, liverZ + draw(-0.08, 0.12)],
      radii: extent(0.18, 0.11, 0.24, lobe),
    },
    {
      kind: 'stomach',
      hu: tissueHu + draw(2, 31),
      centre: place(0.17 + draw(-0.05, 0.04), -0.1 + draw(-0.05, 0.05), liverZ + draw(-0.15, 0.15)),
      radii: extent(0.15, 0.13, 0.28, draw(0.8, 1.25)),
    },
    {
      kind: 'spleen',
      hu: tissueHu + draw(10, 36),
      centre: place(0.28 + draw(-0.04, 0.03), 0.1 + draw(-0.04, 0.04), liverZ + draw(-0.1, 0.15)),
      radii: extent(0.11, 0.13, 0.26, draw(0.8, 1.25)),
    },
    {
      kind: 'heart',
      hu: tissueHu + draw(10, 36),
      centre: place(0.06 + draw(-0.05, 0.05), -0.1, liverZ + draw(0.36, 0.46)),
      radii: extent(0.17, 0.15, 0.2),
    },
    { kind: 'spine', hu: draw(190, 320), centre: place(0, 0.24, 0.5), radii: [0.07 * size, 0.07 * size, 9] },
  ];
  for (const side of [-1, 1]) {
    const hu = near(14);
    organs.push({
      kind: 'kidney',
      hu,
      centre: place(side * 0.17, 0.16, liverZ - draw(0.15, 0.35)),
      radii: extent(0.085, 0.085, 0.22),
    });
  }
  for (const dx of [-0.1, 0.04, 0.16, 0.27]) {
    organs.push({
      kind: 'bowel',
      hu: near(10),
      centre: place(dx + draw(-0.04, 0.04), -0.06 + draw(-0.08, 0.06), liverZ - draw(0.34, 0.55)),
      radii: extent(0.12, 0.14, 0.24, draw(0.85, 1.2)),
    });
  }
  const lesions = Array.from({ length: random.below(4) }, (): Ellipsoid => {
    const radius = draw(0.03, 0.06);
    const off = (axis: 0 | 1 | 2, reach: number) => liverAt[axis] + draw(-reach, reach);
    return { centre: [off(0, 0.1), off(1, 0.1), off(2, 0.18)], radii: extent(radius, radius, radius * 1.6) };
  });
  return {
    body: {
      centre: [cx, cy],
      radii: [0.48 * size, 0.42 * size],
      fat: draw(0.06, 0.12),
      wall: draw(0.09, 0.13),
    },
    organs,
    lesions,
    muscleHu: tissueHu + draw(2, 31),
    lesionHu: draw(-45, -25),
    lungFrom: liverZ + draw(0.22, 0.32),
    noiseHu: draw(18, 26),
  };
}

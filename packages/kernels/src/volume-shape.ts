/** Activations are Float32Array in NDHWC order: [n, d, h, w, channels]. */
export interface VolumeShape {
  n: number;
  d: number;
  h: number;
  w: number;
}

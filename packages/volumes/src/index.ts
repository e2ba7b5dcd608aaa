/**
 * Scans: NIfTI files, LiTS and MSD folders, splits, prepared cases, the sampler and phantoms.
 * A case is read, brought to one orientation, windowed, resampled and normalised here, and predictions go back.
 * Orientation of prepared cases is LPS, [depth, rows, columns], columns fastest; source grids are x fastest.
 * Knows nothing of networks, training, metrics or jobs.
 */
export { discoverCases, listCases, type CaseFiles, type Layout } from './case-files.js';
export { samePlace, type Geometry, type Triple, type Volume } from './geometry.js';
export type { Datatype } from './nifti/datatype.js';
export { readLabelMap, readNifti, type LabelMap, type ReadOptions } from './nifti/read.js';
export { writeNifti, type NiftiContent } from './nifti/write.js';
export { describeVolume, type VolumeDescription } from './describe.js';
export { hashCase, type CaseHash } from './content-hash.js';
export { checkDataset, type CheckedCase, type DatasetReport } from './check-dataset.js';
export { canonicalOrientation } from './canonical-grid.js';
export { preparedName, transformFor, type CaseTransform, type PreparedCase } from './prepared.js';
export { prepareCase, type CaseSource } from './prepare.js';
export { prepareCaseInThread } from './prepare-thread.js';
export {
  decodePrepared,
  encodePrepared,
  loadPrepared,
  preparedKey,
  storePrepared,
  type CaseStore,
} from './prepared-file.js';
export { ensurePrepared, type StoredCase } from './ensure-prepared.js';
export { restoreForeground, restoreMask, sourceLabel } from './restore.js';
export {
  checkSplit,
  loadSplit,
  makeSplit,
  resolveSplit,
  splitManifestSchema,
  type SplitCase,
  type SplitManifest,
  type SplitSizes,
} from './split.js';
export {
  blockStarts,
  cutBlock,
  epochSamples,
  stepSamples,
  stepsPerEpoch,
  type Sample,
  type SampledCase,
  type SamplerOptions,
} from './sampler.js';
export { makePhantom, writePhantomDataset, type Phantom, type PhantomOptions } from './phantom/phantom.js';

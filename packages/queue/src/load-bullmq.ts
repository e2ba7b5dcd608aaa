import { createRequire } from 'node:module';
import type * as bullmq from 'bullmq';

const require = createRequire(import.meta.url);

/**
 * Large: whoever only looks at the registry must not load it. Required, since an import would first search the whole
 * package for its names, which takes as long again.
 */
export const loadBullmq = (): typeof bullmq => require('bullmq') as typeof bullmq;

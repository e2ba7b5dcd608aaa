import { z } from 'zod';

export const manifestSchema = z.object({
  version: z.literal(1),
  run: z.string(),
  step: z.number().int().nonnegative(),
  epoch: z.number().int().nonnegative(),
  /** d(step) of the digest chain. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.string(),
  files: z.array(
    z.object({
      name: z.string(),
      bytes: z.number().int().positive(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
  sampler: z.object({ epoch: z.number().int(), position: z.number().int() }),
  lossHistory: z.array(z.number()),
  /** The network's configuration and the engine that made these weights. */
  network: z.unknown(),
  /** How cases were prepared and cut, as in the experiment: with it the folder alone is enough to predict. */
  data: z
    .object({
      windowHu: z.tuple([z.number(), z.number()]),
      patch: z.tuple([z.number(), z.number(), z.number()]),
    })
    .nullable()
    .default(null),
  engineFingerprint: z.string().nullable(),
  /**
   * When the next checkpoint is due, where that follows from what this one cost: every member reads it here, so
   * all of them mean the same step whoever writes.
   */
  schedule: z
    .object({
      nextStep: z.number().int().positive(),
      costSeconds: z.number(),
      writeSeconds: z.number(),
      stepSeconds: z.number(),
      meanSecondsBetweenFailures: z.number(),
    })
    .nullable()
    .default(null),
});

/** manifest.json, written last: with it a checkpoint is complete, without it there is none. */
export type Manifest = z.infer<typeof manifestSchema>;

export const checkpointFolder = (run: string, step: number): string =>
  `runs/${run}/checkpoints/${String(step)}`;
export const manifestKey = (run: string, step: number): string =>
  `${checkpointFolder(run, step)}/${manifestName}`;
export const manifestName = 'manifest.json';
export const weightsName = 'weights.safetensors';
export const optimizerName = 'optimizer.safetensors';

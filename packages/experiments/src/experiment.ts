import { networkConfigSchema, networkOf, type NetworkConfig } from '@lvnet/networks/description';
import { z } from 'zod';

const positive = z.number().positive();
const count = z.number().int().min(1);

const splitSchema = z.union([
  z.strictObject({ train: z.number().min(0), validation: z.number().min(0), test: z.number().min(0) }),
  z.string().min(1),
]);

const dataSchema = z.strictObject({
  /** Folder of the scans; read by whoever submits or prepares, never by a trainer. */
  root: z.string().min(1),
  /** Counts, fractions, or the path of a split manifest. */
  split: splitSchema.default({ train: 90, validation: 10, test: 31 }),
  blocks: z.enum(['all', 'liver']).default('all'),
  windowHu: z.tuple([z.number(), z.number()]).default([-200, 200]),
  /** [slices, rows, columns]. */
  patch: z.tuple([count, count, count]).default([16, 256, 256]),
});

const lossSchema = z.strictObject({
  eta: z
    .array(z.number().min(0))
    .describe(
      'Weights of the deep-supervision heads: levels - 1 of them in LV-Net, none in the others. Zeros switch heads off.',
    )
    .optional(),
  order: z.enum(['coarse-to-fine', 'fine-to-coarse']).default('coarse-to-fine'),
});

const optimizerSchema = z.strictObject({
  name: z.literal('adam').default('adam'),
  learningRate: positive.default(0.001),
  decayPerEpoch: positive.max(1).default(0.9),
  weightDecay: z.number().min(0).default(0.00001),
  clipNorm: positive.optional(),
});

const trainingSchema = z.strictObject({
  batch: count.default(4),
  /** Default: one shard per sample of the batch. */
  shards: count.optional(),
  epochs: count.default(30),
  /**
   * What samples do to the run whose loss or gradient is not finite, or whose loss jumps, on whatever member:
   * stop it, or be left out and named in the step log.
   */
  onBadSample: z.enum(['stop', 'skip']).default('stop'),
  stop: z.strictObject({ metric: z.literal('dice').default('dice'), patience: count.default(5) }).optional(),
});

/** Every epoch's end is a checkpoint, whatever is said here. */
const checkpointSchema = z.strictObject({
  /** Default: what follows from the cost of a checkpoint and from how often all members were lost. */
  everySteps: count.optional(),
  keep: count.default(3),
  /** What an upload may take of link and disk while training goes on; a quarter of a gigabit link. */
  bytesPerSecond: count.default(32 * 2 ** 20),
});

const weightsSchema = z.string().min(1).optional();

const withWeights = <Shape extends z.core.$ZodShape>(options: z.ZodObject<Shape, z.core.$strict>) =>
  options.extend({
    /** Where the first step's weights come from in place of the seed: a checkpoint, or a safetensors file. */
    weights: weightsSchema,
  });

const [lvNet, uNet, ceNet, threeDUNet, vNet] = networkConfigSchema.options;
const networkSchema = z.union([
  withWeights(lvNet),
  withWeights(uNet),
  withWeights(ceNet),
  withWeights(threeDUNet),
  withWeights(vNet),
]);

/** The shape of an experiment file; contradictions between fields are judged elsewhere. */
export const experimentSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, dot, dash and underscore, 64 at most')
    .default('experiment'),
  seed: z.number().int().min(0).default(0),
  labels: z.record(z.string(), z.string()).optional(),
  priority: z.number().int().optional(),
  data: dataSchema,
  network: networkSchema.prefault({}),
  loss: lossSchema.prefault({}),
  optimizer: optimizerSchema.prefault({}),
  training: trainingSchema.prefault({}),
  exchange: z.strictObject({ wire: z.enum(['float32', 'bf16']).default('float32') }).prefault({}),
  workers: z
    .strictObject({
      min: count.default(1),
      max: count.default(2),
      engine: z.enum(['auto', 'native', 'tensorflow', 'reference']).default('auto'),
    })
    .prefault({}),
  checkpoint: checkpointSchema.prefault({}),
});

type Parsed = z.infer<typeof experimentSchema>;

/** An experiment with every default filled in. */
export type Experiment = Omit<Parsed, 'training' | 'loss'> & {
  training: Omit<Parsed['training'], 'shards'> & { shards: number };
  loss: Omit<Parsed['loss'], 'eta'> & { eta: number[] };
};

/** Fills in the defaults that depend on other fields. */
export function withDefaults({ training, loss, ...parsed }: Parsed): Experiment {
  const paperEta = networkOf(parsed.network).headCount > 0 ? [0.2, 0.4, 0.6, 0.8] : [];
  return {
    ...parsed,
    loss: { ...loss, eta: loss.eta ?? paperEta },
    training: { ...training, shards: training.shards ?? training.batch },
  };
}

/** What the network is, whatever its weights start from. */
export function networkConfigOf({ network }: Pick<Experiment, 'network'>): NetworkConfig {
  const { weights: _weights, ...config } = network;
  return config;
}

/** JSON Schema of the file, for editors. */
export function experimentJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(experimentSchema, { io: 'input' });
}

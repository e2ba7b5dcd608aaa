import { z } from 'zod';

/** A job carries references only; everything it needs is read from the store. */
export const prepareJobSchema = z.strictObject({
  kind: z.literal('prepare'),
  run: z.string(),
  case: z.string(),
});

/** "Join this run as a member until released." */
export const trainJobSchema = z.strictObject({
  kind: z.literal('train'),
  run: z.string(),
  slot: z.number().int().nonnegative(),
});

export const validateJobSchema = z.discriminatedUnion('subject', [
  z.strictObject({
    kind: z.literal('validate'),
    subject: z.literal('case'),
    run: z.string(),
    step: z.number().int().nonnegative(),
    split: z.enum(['validation', 'test']),
    case: z.string(),
  }),
  z.strictObject({ kind: z.literal('validate'), subject: z.literal('report'), run: z.string() }),
]);

export type PrepareJob = z.infer<typeof prepareJobSchema>;
export type TrainJob = z.infer<typeof trainJobSchema>;
export type ValidateJob = z.infer<typeof validateJobSchema>;
export type Job = PrepareJob | TrainJob | ValidateJob;
export type JobKind = Job['kind'];

export const jobKinds = {
  prepare: prepareJobSchema,
  train: trainJobSchema,
  validate: validateJobSchema,
} as const satisfies Record<JobKind, z.ZodType<Job>>;

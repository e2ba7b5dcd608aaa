import { tf } from './tfjs.js';

/** A gradient, and the inputs by which it was computed together with it, if any. */
export type GradientFunction = (() => tf.Tensor) & { together?: readonly string[] };

/** By input. */
export type Gradients = Record<string, GradientFunction>;

export interface TapeNode {
  kernelName: string;
  inputs: Record<string, tf.Tensor>;
  outputs: tf.Tensor[];
  saved?: tf.Tensor[];
  gradient?: (dys: (tf.Tensor | null)[]) => Gradients;
}

/** The parts of tfjs's engine that record; its own `gradients` uses them the same way. */
interface TapeMachine {
  startTape: () => void;
  endTape: () => void;
  state: { activeTape: TapeNode[] | null; gradientDepth: number };
}

export const machine = () => tf.engine() as unknown as TapeMachine;

/** Whether operations are being recorded for a backward pass. */
export const isRecording = (): boolean => machine().state.gradientDepth > 0;

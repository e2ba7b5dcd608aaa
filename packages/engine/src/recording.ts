import type { Gradients } from './operation.js';
import { tf } from './tfjs.js';

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

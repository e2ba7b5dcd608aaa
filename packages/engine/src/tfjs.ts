import * as tf from '@tensorflow/tfjs-core';

/** The one place where tfjs-core is imported: every package that needs it takes it from here. */
export { tf };

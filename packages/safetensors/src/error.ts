/** The bytes or the tensors do not make a valid safetensors file; the message says why. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

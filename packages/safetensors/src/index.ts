/**
 * The safetensors file format: named tensors behind a small JSON header.
 * Writing is deterministic (same input, same bytes); reading checks every bound and copies nothing it can view.
 * Knows nothing of files, stores, checkpoints or networks; throws SafetensorsError only.
 */
export { encodeSafetensors, safetensorsPieces } from './encode.js';
export { decodeSafetensors, maxHeaderBytes, type DecodedSafetensors } from './decode.js';
export { SafetensorsError } from './error.js';
export { bytesOf, float32Of, type Dtype, type NamedTensor, type TensorData } from './tensor.js';

/**
 * LV-Net: configuration, forward pass, losses, Adam, and what it costs.
 */
export { networkConfigSchema, inputMultiple, type NetworkConfig } from './config.js';

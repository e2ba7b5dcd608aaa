/** The coordinator's loop without its process, for simulations. */
export { runCoordinator, type CoordinatorParts } from './coordinator.js';

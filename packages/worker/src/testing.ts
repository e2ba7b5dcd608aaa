/** How a worker answers an invitation, for simulations. */
export { isStillWanted, isWantedMember, watchRelease } from './invitation.js';

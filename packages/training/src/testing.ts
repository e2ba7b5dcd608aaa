/** Training as a member without networks and scans, for simulations. */
export { trainAsMember, type Course, type MemberParts } from './member.js';
export { createCheckpointKeeper, type CheckpointKeeper, type KeeperIo } from './checkpoint-keeper.js';

// Loaded first by Node processes that live for seconds, as tests and compilers do. They would spend a tenth of their
// processor time and more on optimising what they hardly run again: V8 waits fifteen times as long before it does.
import { setFlagsFromString } from 'node:v8';

// The flag of V8 11, which is Node 20's; later ones know others, and optimise in cheaper steps.
if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=1000000');

// Loaded first by every Node process of a test. Most live for a second or two and would spend a tenth of their
// processor time on optimising what they hardly run again: V8 waits fifteen times as long before it does.
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--interrupt-budget=1000000');

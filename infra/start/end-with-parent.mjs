// Loaded before a program that another process started: asks it to stop when that process is gone, and ends it
// where it does not. The pipe LVNET_PARENT_PIPE closes with the parent, however the parent ends.
import { Socket } from 'node:net';

const PATIENCE_MS = 30_000;

const pipe = new Socket({ fd: Number(process.env['LVNET_PARENT_PIPE']) });
delete process.env['LVNET_PARENT_PIPE'];
pipe.on('error', () => undefined);
pipe.on('close', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), PATIENCE_MS).unref();
});
pipe.resume();
pipe.unref();

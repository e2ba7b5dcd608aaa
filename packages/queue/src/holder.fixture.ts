/** Takes a train job, says so, and never finishes it: the test kills this process. */
import { createHost } from './host.js';

const [url = '', fingerprint = ''] = process.argv.slice(2);
await createHost({
  url,
  queue: { kind: 'train', fingerprint },
  worker: 'doomed',
  process: () => {
    process.send?.('holding');
    return new Promise(() => undefined);
  },
  onGivenUp: () => Promise.resolve(),
});

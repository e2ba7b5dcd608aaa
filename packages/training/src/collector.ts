import { setFlagsFromString } from 'node:v8';

/**
 * Lets this process's heaps grow to three times what lives in them. A step leaves some 6 MB of small objects, and V8
 * would mark everything about once in each: helper threads take processors from the kernels, and whoever is woken
 * meanwhile (the exchange, once the shards are there) waits up to 8 ms for one. So it is one marking in ten steps,
 * for 15 MB, and a step has 1 % less beside its kernels. V8 reads this whenever it sets a heap's limit anew.
 */
export function collectRarely(): void {
  setFlagsFromString('--heap-growing-percent=200');
}

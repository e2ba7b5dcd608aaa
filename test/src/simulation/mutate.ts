// node --import …/mutate.js: plants a bug into compiled files, given as a JSON list in LVNET_MUTATION.
import { register } from 'node:module';

register('./mutate-hooks.js', import.meta.url, { data: process.env['LVNET_MUTATION'] });

// node --import …/mutate.js: plants a bug into one compiled file, given as JSON in LVNET_MUTATION.
import { register } from 'node:module';

register('./mutate-hooks.js', import.meta.url, { data: process.env['LVNET_MUTATION'] });

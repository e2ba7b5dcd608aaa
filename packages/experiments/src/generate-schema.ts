// npm run schema: writes the JSON Schema of experiments beside the examples, for editors.
import { writeFileSync } from 'node:fs';
import { experimentJsonSchema } from './experiment.js';

const target = new URL('../../../examples/experiment.schema.json', import.meta.url);
writeFileSync(target, `${JSON.stringify(experimentJsonSchema(), null, 2)}\n`);

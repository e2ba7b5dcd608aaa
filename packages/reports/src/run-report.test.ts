import assert from 'node:assert/strict';
import { memoryStore, type Store } from '@lvnet/store';
import sharp from 'sharp';
import { writeRunReport, type RunReport } from './run-report.js';
import { overlayOf, runInput } from './run-report.fixture.js';

const folder = 'runs/r1/report';
const text = async (store: Store, name: string) =>
  new TextDecoder().decode(await store.get(`${folder}/${name}`));

describe('writeRunReport', function () {
  this.timeout(20_000);

  it('writes page, data, table and pictures, and report.json last', async () => {
    const { store, written } = recording(memoryStore());
    await writeRunReport(store, 'r1', runInput());
    assert.deepEqual(
      written.map((key) => key.slice(folder.length + 1)),
      [
        'loss.png',
        'dice.png',
        'slice-01-a.png',
        'slice-02--b.png',
        'cases.csv',
        'report.html',
        'report.json',
      ],
    );
  });

  it('writes a page that fetches nothing and runs nothing', async () => {
    const store = memoryStore();
    await writeRunReport(store, 'r1', runInput());
    const html = await text(store, 'report.html');
    assert.deepEqual(html.match(/<script|@import|url\((?!#)|<iframe|<object|\bon\w+="/gi), null);
    const links = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, to = '']) => to);
    assert.ok(links.length >= 3);
    assert.deepEqual(
      links.filter((to) => !to.startsWith('data:')),
      [],
    );
    assert.deepEqual(
      [...new Set(html.match(/https?:[^"' ]+/g))],
      ['http://www.w3.org/2000/svg', 'http://www.w3.org/1999/xlink'].filter((name) => html.includes(name)),
    );
  });

  it('escapes names and shows notes, worst case, baselines, digest, events and the kill', async () => {
    const store = memoryStore();
    await writeRunReport(store, 'r1', runInput());
    const html = await text(store, 'report.html');
    assert.ok(!html.includes('<run>') && !html.includes('<b>'));
    for (const shown of [
      'over-fit check',
      'best HU window',
      'f00d',
      'worker 2 at step 12',
      '2026-01-02 03:06:10',
      '2:05 min',
    ]) {
      assert.ok(html.includes(shown), shown);
    }
    assert.match(html, /<td>&#60;b&#62;<span class="tag">worst/);
    assert.match(html, /patch: \[16, 64, 64\]/);
  });

  it('gives the charts of a page different ids', async () => {
    const store = memoryStore();
    await writeRunReport(store, 'r1', runInput());
    const ids = [...(await text(store, 'report.html')).matchAll(/\bid="([^"]+)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('writes the same bytes for the same input', async () => {
    const [one, two] = [memoryStore(), memoryStore()];
    await writeRunReport(one, 'r1', runInput());
    await writeRunReport(two, 'r1', runInput());
    for await (const { key } of one.list(folder)) {
      assert.ok(Buffer.from(await one.get(key)).equals(await two.get(key)), key);
    }
  });

  it('leaves a report.json as it is that another worker wrote meanwhile', async () => {
    const store = memoryStore();
    await store.put(`${folder}/report.json`, 'theirs');
    await writeRunReport(store, 'r1', runInput());
    assert.equal(await text(store, 'report.json'), 'theirs');
  });

  it('puts every fact into report.json, undefined metrics as null', async () => {
    const store = memoryStore();
    await writeRunReport(store, 'r1', runInput());
    const report = JSON.parse(await text(store, 'report.json')) as RunReport;
    assert.equal(report.steps.length, 40);
    assert.equal(report.cases[1]?.assdMm, null);
    assert.equal(report.summaries[0]?.metrics.assdMm.undefined, 1);
    assert.equal(report.summaries[0].worst, '<b>');
    assert.ok(!('overlays' in report));
    for (const { file } of report.pictures) assert.ok(await store.head(`${folder}/${file}`), file);
  });

  it('copes with a run that has no steps, validations, cases, slices or events', async () => {
    const store = memoryStore();
    const nothing = {
      steps: [],
      validations: [],
      best: null,
      cases: [],
      baselines: [],
      events: [],
      overlays: [],
      notes: [],
    };
    const report = await writeRunReport(store, 'r1', { ...runInput(), ...nothing });
    assert.deepEqual(report.pictures, []);
    assert.match(await text(store, 'report.html'), /No step was logged/);
  });

  for (const stepCount of [1, 2, 5000]) {
    it(`draws ${String(stepCount)} steps`, async () => {
      const store = memoryStore();
      await writeRunReport(store, 'r1', { ...runInput(stepCount), overlays: [] });
      const { width, height } = await sharp(await store.get(`${folder}/loss.png`)).metadata();
      assert.deepEqual([width, height], [1840, 640]);
      assert.ok((await text(store, 'report.html')).length < 400_000);
    });
  }

  it('refuses an overlay whose masks have another size, before it writes anything', async () => {
    const { store, written } = recording(memoryStore());
    const overlays = [{ ...overlayOf('a'), truth: new Uint8Array(5) }];
    await assert.rejects(writeRunReport(store, 'r1', { ...runInput(), overlays }), {
      code: 'SHAPE_MISMATCH',
    });
    assert.deepEqual(written, []);
  });
});

function recording(inner: Store): { store: Store; written: string[] } {
  const written: string[] = [];
  const put: Store['put'] = async (key, body, options) => {
    written.push(key);
    await inner.put(key, body, options);
  };
  return { store: { ...inner, put }, written };
}

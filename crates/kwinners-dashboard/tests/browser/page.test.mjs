// The report and the live page in a real browser.

import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PHONE, assertSound, browser, kwinners, open, served } from './common.mjs';

const folder = mkdtempSync(join(tmpdir(), 'kwinners-page-'));
let live;

before(async () => {
  await kwinners('demo', '--out', folder);
  live = await served('serve', folder, '--addr', '127.0.0.1:0');
});

after(async () => {
  await live.stop();
  await browser.close();
  rmSync(folder, { recursive: true });
});

const looks = [['by day', { colorScheme: 'light' }], ['by night', { colorScheme: 'dark' }], ['on a phone', PHONE]];

for (const [name, options] of looks) {
  test(`the report opens from the disk, ${name}`, async () => {
    const file = join(folder, 'report.html');
    assert.ok(statSync(file).size <= 3_000_000);
    assert.doesNotMatch(readFileSync(file, 'utf8'), /<script|https?:\/\/(?!www\.w3\.org)/);
    const page = await open(`file://${file}`, options);
    const { duration } = await page.evaluate(() => performance.getEntriesByType('navigation')[0].toJSON());
    assert.ok(duration <= 1000, `it opens in ${duration} ms`);
    for (const id of ['curve', 'strips', 'neighbours', 'map', 'maps', 'overlaps', 'filters', 'raster', 'duty']) {
      const figure = page.locator(`#${id}`);
      assert.ok(await figure.isVisible(), id);
      assert.ok((await figure.locator('figcaption').innerText()).length > 40, `${id} says how to read it`);
    }
    const broken = await page.evaluate(() => [...document.images].filter((image) => !image.naturalWidth).length);
    assert.equal(broken, 0);
    await assertSound(page);
  });

  test(`the live page is sound, ${name}`, async () => {
    const page = await open(live.url, options);
    await page.getByText('model', { exact: true }).waitFor();
    await assertSound(page);
    await page.getByRole('link', { name: 'watch' }).click();
    await page.getByText(/^loss .* after 141,500 samples$/).waitFor();
    await page.locator('.strips img').first().waitFor();
    await assertSound(page);
    await page.goto(`${live.url}#/compare`);
    await page.locator('.uplot').waitFor();
    await assertSound(page);
  });
}

async function explorer(options) {
  const page = await open(live.url, options);
  await page.getByRole('link', { name: 'explore' }).click();
  await page.locator('#hits li').first().waitFor();
  await page.waitForFunction(() => document.querySelector('#decoded')?.src.startsWith('data:'));
  return page;
}

test('a unit that is switched changes what is decoded, by pointer and by keys', async () => {
  const page = await explorer();
  const decoded = () => page.locator('#decoded').getAttribute('src');
  const changed = (from) => page.waitForFunction((from) => document.querySelector('#decoded').src !== from, from);
  const first = await decoded();
  await page.locator('#code').click({ position: { x: 60, y: 60 } });
  await changed(first);
  const second = await decoded();
  assert.match(await page.getByText(/of 320 units on/).innerText(), /(23|25) of 320 units on, 1 changed by hand/);
  await page.locator('#code').focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Space');
  await changed(second);
  await page.getByRole('button', { name: 'as encoded' }).click();
  await page.waitForFunction((from) => document.querySelector('#decoded').src === from, first);
  await assertSound(page);
});

test('codes are combined and decoded', async () => {
  const page = await explorer();
  await page.locator('#hits button').nth(3).click();
  const units = async (name) => {
    await page.getByRole('button', { name, exact: true }).click();
    const told = { A: 'What the code ', 'A ∪ B': 'What units on in either', 'A ∩ B': 'What units on in both', 'A ∖ B': 'What units on here and not' };
    const line = page.getByText(told[name]);
    await line.waitFor();
    return Number(/(\d+) units/.exec(await line.innerText())[1]);
  };
  const [a, union, both, less] = [await units('A'), await units('A ∪ B'), await units('A ∩ B'), await units('A ∖ B')];
  assert.equal(a, 24);
  assert.equal(union + both, 48);
  assert.equal(less + both, 24);
});

test('a digit that is drawn is told', async () => {
  const page = await explorer();
  const box = await page.locator('#draw').boundingBox();
  const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(0.5, 0.15));
  await page.mouse.down();
  for (let step = 0; step <= 40; step += 1) {
    const angle = (2 * Math.PI * step) / 40;
    await page.mouse.move(...at(0.5 + 0.2 * Math.sin(angle), 0.5 - 0.35 * Math.cos(angle)));
  }
  await page.mouse.up();
  await page.getByText('drawn by hand').waitFor();
  await page.waitForFunction(() => document.querySelector('#scores li span')?.textContent === '0');
  assert.deepEqual(page.faults, []);
});

test('curves and pictures advance during a fit', async () => {
  const out = join(folder, 'growing.kw');
  const fit = await served('fit', 'tied', '--data', 'digits', '--out', out, '--set', 'epochs=1000000', '--serve', '127.0.0.1:0');
  const page = await open(fit.url);
  await page.locator('li', { hasText: 'growing' }).getByRole('link', { name: 'watch' }).click();
  const told = page.getByText(/^loss .* after [\d,]+ samples$/);
  const samples = async () => Number(/after ([\d,]+) samples/.exec(await told.innerText())[1].replaceAll(',', ''));
  await told.waitFor();
  const first = await samples();
  await page.waitForFunction((first) => {
    const text = [...document.querySelectorAll('p')].map((p) => p.textContent).find((text) => /^loss .* after/.test(text));
    return Number(/after ([\d,]+)/.exec(text)[1].replaceAll(',', '')) > first;
  }, first);
  await page.locator('.strips img').first().waitFor();
  assert.equal(await page.locator('.badge').innerText(), 'learning');
  assert.deepEqual(page.faults, []);
  await page.close();
  await fit.stop();
});

test('a page that lost its server goes on where it was', async () => {
  const log = join(folder, 'followed.jsonl');
  const lines = (from, to) => {
    let text = '';
    for (let at = from; at < to; at += 1) text += `${JSON.stringify({ epoch: 0, step: at, samples: at * 100, loss: 1 / at })}\n`;
    return text;
  };
  writeFileSync(log, lines(1, 50));
  const first = await served('serve', folder, '--addr', '127.0.0.1:0');
  const { port } = new URL(first.url);
  const page = await open(first.url);
  await page.locator('li', { hasText: 'followed' }).getByRole('link', { name: 'watch' }).click();
  await page.getByText('after 4,900 samples').waitFor();
  const asked = page.waitForRequest(async (request) => (await request.allHeaders())['last-event-id'] === String(statSync(log).size - lines(50, 60).length), { timeout: 20_000 });
  await first.stop();
  await page.getByText('waiting for the server').waitFor();
  appendFileSync(log, lines(50, 60));
  const second = await served('serve', folder, '--addr', `127.0.0.1:${port}`);
  await page.getByText('after 5,900 samples').waitFor({ timeout: 20_000 });
  await asked;
  await second.stop();
});

// A browser, the binary, and what every test asks of a page.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const { KWINNERS, CHROMIUM = '/usr/bin/chromium' } = process.env;
assert.ok(KWINNERS, 'KWINNERS names the binary to test');

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// In a container the sandbox of Chromium has no rights; the pages are our own.
export const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });

/** Runs the binary to its end. */
export const kwinners = (...args) => new Promise((resolve, reject) => {
  const child = spawn(KWINNERS, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (part) => { text += part; });
  child.stderr.on('data', (part) => { text += part; });
  child.on('close', (status) => (status === 0 ? resolve(text) : reject(new Error(`${args.join(' ')}: ${text}`))));
});

/** Starts the binary and waits until it has said where its page is. */
export const served = (...args) => new Promise((resolve, reject) => {
  const child = spawn(KWINNERS, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const read = (part) => {
    text += part;
    const url = /http:\/\/\S+\//.exec(text)?.[0];
    if (url) resolve({ url, stop: () => new Promise((done) => { child.on('close', done); child.kill('SIGINT'); }) });
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  child.on('close', () => reject(new Error(`${args.join(' ')}: ${text}`)));
});

/** A page that fails the test for anything that the console calls an error, and for any request that leaves. */
export async function open(url, options = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.faults = [];
  page.on('console', (message) => { if (message.type() === 'error') page.faults.push(message.text()); });
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (!['data:', 'blob:', 'file:'].includes(to.protocol) && to.hostname !== '127.0.0.1') page.faults.push(`asks ${to}`);
  });
  await page.goto(url);
  return page;
}

/** No fault, nothing wider than the screen, and nothing that axe finds: names, contrast, roles, keys. */
export async function assertSound(page) {
  assert.deepEqual(page.faults, []);
  const [width, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(width <= screen, `the page is ${width} wide on a screen of ${screen}`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa'] }));
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html).join(' ')}`);
  assert.deepEqual(told, []);
}

export const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 };

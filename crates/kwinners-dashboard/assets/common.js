// What every view needs: elements, questions to the server, codes as pictures.

/** An element with attributes and children; `on...` attributes are listeners. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The answer to a question, or an error that says why there is none. */
async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `the server answers ${response.status}`);
  return body;
}

export const get = async (path) => answer(await fetch(path));

export const post = async (path, question) => answer(await fetch(path, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(question),
}));

/** Says something in the corner, also to those who can't see it. */
export function say(text) {
  const place = document.getElementById('status');
  if (place.textContent !== text) place.textContent = text;
}

export const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const number = (value) => (value === null || value === undefined ? '–'
  : Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : Number(value.toPrecision(4)).toString());

/** Units laid out as a nearly square field: columns and rows. */
export function field(units) {
  const columns = Math.ceil(Math.sqrt(units));
  return { columns, rows: Math.ceil(units / columns) };
}

/** Dots for units, as the path of an SVG. */
export const dots = (indices, columns) =>
  indices.map((unit) => `M${unit % columns} ${Math.floor(unit / columns)}h1v1h-1z`).join('');

/** A code as a picture; of `shared`, where given, the others are hollow. */
export function codeTile(units, indices, shared = indices) {
  const { columns, rows } = field(units);
  const own = new Set(shared);
  return svg('svg', {
    class: 'code', viewBox: `-.5 -.5 ${columns + 1} ${rows + 1}`, role: 'img',
    'aria-label': `code: ${indices.length} of ${units} units on`,
  },
  svg('path', { class: 'on', d: dots(indices.filter((unit) => own.has(unit)), columns) }),
  svg('path', { class: 'rest', d: dots(indices.filter((unit) => !own.has(unit)), columns) }));
}

/** Calls `work` with the latest arguments only, one call at a time: what comes meanwhile replaces what waits. */
export function latestOnly(work) {
  let running = false;
  let waiting = null;
  return async function ask(...given) {
    waiting = given;
    if (running) return;
    running = true;
    while (waiting) {
      const now = waiting;
      waiting = null;
      try { await work(...now); } catch (error) { say(error.message); }
    }
    running = false;
  };
}

// The explorer: pick or draw an input, look at its code, change bits, ask what it is and what is near.

import { codeTile, dots, el, field, get, latestOnly, number, post, say, svg } from './common.js';

export async function explore(main, run) {
  const about = await get(`/runs/${run}/explorer`);
  const state = { units: about.units, code: [], on: new Set(), other: null, view: 'A' };

  const picture = el('img', { class: 'show px', alt: 'the input' });
  const words = el('p', {}, '');
  const decoded = el('img', { class: 'show px', alt: 'what the code decodes to', id: 'decoded' });
  const decodedTold = el('p', {}, '');
  const scores = el('ol', { class: 'scores', id: 'scores' });
  const hits = el('ul', { class: about.has_texts ? 'hits texts' : 'hits', id: 'hits' });
  const editor = codeEditor(about.units, (unit) => { flip(unit); });
  const countTold = el('p', { role: 'status' }, '');

  /** Which units the chosen view is about. */
  const seen = () => {
    const a = [...state.on].sort((x, y) => x - y);
    const b = state.other ?? [];
    const own = new Set(b);
    return {
      A: a, B: b,
      union: [...new Set([...a, ...b])].sort((x, y) => x - y),
      both: a.filter((unit) => own.has(unit)),
      less: a.filter((unit) => !own.has(unit)),
    }[state.view];
  };

  const decode = latestOnly(async () => {
    if (!about.decodes) return;
    const indices = seen();
    decoded.src = (await post('/decode', { run, indices })).picture;
    const names = { A: 'the code', B: 'the other code', union: 'units on in either', both: 'units on in both', less: 'units on here and not there' };
    decodedTold.textContent = `What ${names[state.view]} decode${state.view === 'A' || state.view === 'B' ? 's' : ''} to: ${indices.length} units.`;
  });

  const ask = latestOnly(async () => {
    const indices = [...state.on].sort((x, y) => x - y);
    if (about.has_classes) {
      const told = await post('/recall', { run, indices });
      scores.replaceChildren(...told.scores.slice(0, 10).map(score));
    }
    if (about.stored_len) {
      const found = await post('/search', { run, indices, top: 10 });
      hits.replaceChildren(...found.hits.map((hit) => neighbour(hit, found.of)));
    }
  });

  const score = ({ class: name, score }) => {
    const bar = el('i');
    bar.style.width = `${Math.round(100 * Math.max(score, 0))}%`;
    return el('li', {}, el('span', {}, name), el('span', {}, bar), el('span', {}, score.toFixed(2)));
  };

  const neighbour = (hit, of) => {
    const pick = (event) => {
      hits.querySelectorAll('button').forEach((button) => button.setAttribute('aria-pressed', 'false'));
      event.currentTarget.setAttribute('aria-pressed', 'true');
      state.other = hit.indices;
      operations.hidden = false;
      decode();
    };
    return el('li', {}, el('button', { type: 'button', 'aria-pressed': 'false', onclick: pick },
      hit.picture ? el('img', { class: 'px', src: hit.picture, alt: `stored row ${hit.row}` }) : el('span', {}, hit.text ?? `row ${hit.row}`),
      codeTile(state.units, hit.indices, hit.shared),
      el('span', {}, `${hit.class ?? ''} · ${hit.overlap} of ${of} shared`)));
  };

  const refresh = () => {
    editor.show(state.on, state.code);
    const changed = state.code.filter((unit) => !state.on.has(unit)).length + [...state.on].filter((unit) => !state.code.includes(unit)).length;
    countTold.textContent = `${state.on.size} of ${state.units} units on${changed ? `, ${changed} changed by hand` : ''}.`;
    decode();
    ask();
  };

  const flip = (unit) => {
    if (state.on.has(unit)) state.on.delete(unit); else state.on.add(unit);
    refresh();
  };

  const take = latestOnly(async (question) => {
    const found = await post('/encode', { run, ...question });
    state.code = found.indices;
    state.on = new Set(found.indices);
    picture.src = found.input?.picture ?? '';
    picture.hidden = !found.input?.picture;
    const { row, class: name, text } = found.input ?? {};
    words.textContent = [text, name ? `class ${name}` : null, row !== undefined ? `row ${row}` : 'drawn by hand'].filter(Boolean).join(' · ');
    refresh();
  });

  const choose = (view) => (event) => {
    state.view = view;
    operations.querySelectorAll('button').forEach((button) => button.setAttribute('aria-pressed', String(button === event.currentTarget)));
    decode();
  };
  const operation = (view, name) => el('button', { type: 'button', 'aria-pressed': String(view === 'A'), onclick: choose(view) }, name);
  const operations = el('fieldset', { hidden: true },
    el('legend', {}, 'This code A and the chosen neighbour B'),
    operation('A', 'A'), operation('B', 'B'), operation('union', 'A ∪ B'), operation('both', 'A ∩ B'), operation('less', 'A ∖ B'));

  main.replaceChildren(
    el('h1', {}, `Explore ${about.name}`),
    el('p', { class: 'lead' }, `${about.kind}: exactly ${about.winners} of ${number(about.units)} units. `
      + (about.stored ? `${number(about.stored_len)} codes of ${about.stored} are stored.` : `Nothing is stored: ${about.lacks}.`)),
    el('div', { class: 'columns' },
      el('div', { class: 'stack' },
        el('section', { class: 'panel' }, el('h2', {}, 'Input'),
          about.shown_len ? picker(about, take) : null,
          picture, words,
          about.has_texts ? finder(run, take) : null),
        about.can_draw ? drawing(about, take) : null),
      el('section', { class: 'panel' }, el('h2', {}, 'Code'), editor.element, countTold,
        el('div', { class: 'row' },
          el('button', { type: 'button', onclick: () => { state.on = new Set(state.code); refresh(); } }, 'as encoded'),
          el('button', { type: 'button', onclick: () => { state.on = new Set(); refresh(); } }, 'all off')),
        el('p', {}, 'Click a unit to switch it. By keys: arrows move, Space switches.')),
      el('div', { class: 'stack' },
        el('section', { class: 'panel' }, el('h2', {}, 'Decoded'),
          about.decodes ? decoded : el('p', {}, `A model of kind ${about.kind} has no decoder.`), decodedTold, operations),
        about.has_classes ? el('section', { class: 'panel' }, el('h2', {}, 'Class memory'), scores,
          el('p', {}, 'How much the code is like the mean code of each class: 1 is alike.')) : null)),
    el('section', { class: 'panel' }, el('h2', {}, 'Nearest stored codes'), hits,
      el('p', {}, 'Full dots are units shared with the code above, hollow ones are the neighbour’s own. Choose one to combine the two.')),
  );
  if (about.shown_len) take({ row: 0 });
}

/** Number, back, on, any: which row. */
function picker(about, take) {
  const last = about.shown_len - 1;
  const input = el('input', { type: 'number', min: '0', max: String(last), value: '0', id: 'row', 'aria-label': `row of ${about.shown}` });
  const go = (row) => {
    input.value = String(Math.min(Math.max(row, 0), last));
    take({ row: Number(input.value) });
  };
  input.addEventListener('change', () => go(Number(input.value) || 0));
  return el('div', { class: 'row' }, input,
    el('button', { type: 'button', onclick: () => go(Number(input.value) - 1) }, 'back'),
    el('button', { type: 'button', onclick: () => go(Number(input.value) + 1) }, 'next'),
    el('button', { type: 'button', onclick: () => go(Math.floor(Math.random() * about.shown_len)) }, 'any'));
}

/** Search among stored texts: there is no encoder of texts here, so one begins at a stored one. */
function finder(run, take) {
  const list = el('ul', { class: 'hits texts', id: 'texts' });
  const search = latestOnly(async (text) => {
    const { texts } = text ? await post('/search', { run, text, top: 8 }) : { texts: [] };
    const item = (hit) => el('li', {}, el('button', { type: 'button', onclick: () => take({ stored: hit.row }) }, hit.text));
    list.replaceChildren(...texts.map(item));
    if (text && !texts.length) list.replaceChildren(el('li', {}, 'No stored text has that.'));
  });
  const box = el('input', { type: 'search', 'aria-label': 'search stored texts', placeholder: 'words of a stored text' });
  box.addEventListener('input', () => search(box.value.trim()));
  return el('div', {}, el('div', { class: 'row' }, box), list);
}

/** A place to draw: what is drawn is centred and scaled as the digits of the data sets are. */
function drawing(about, take) {
  const side = 224;
  const canvas = el('canvas', { class: 'show draw', width: side, height: side, id: 'draw', role: 'img', 'aria-label': 'draw here with a pointer' });
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  pen.lineWidth = side / 11;
  pen.lineCap = pen.lineJoin = 'round';
  pen.strokeStyle = '#fff';
  let last = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * side / box.width, (event.clientY - box.top) * side / box.height];
  };
  const send = () => {
    const values = scaled(canvas, about.width, about.height);
    if (values) take({ values });
  };
  canvas.addEventListener('pointerdown', (event) => { canvas.setPointerCapture(event.pointerId); last = at(event); });
  canvas.addEventListener('pointermove', (event) => {
    if (!last) return;
    const next = at(event);
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(...next);
    pen.stroke();
    last = next;
    send();
  });
  canvas.addEventListener('pointerup', () => { last = null; send(); });
  const clear = () => pen.clearRect(0, 0, side, side);
  return el('section', { class: 'panel' }, el('h2', {}, 'Or draw'), canvas, el('div', { class: 'row' }, el('button', { type: 'button', onclick: clear }, 'clear')));
}

/** The drawing as `width * height` values from 0 to 1; null if nothing is drawn. */
function scaled(canvas, width, height) {
  const { width: side } = canvas;
  const ink = canvas.getContext('2d').getImageData(0, 0, side, side).data;
  let [left, right, top, bottom] = [side, -1, side, -1];
  let [mass, massX, massY] = [0, 0, 0];
  for (let place = 0; place < side * side; place += 1) {
    const value = ink[4 * place + 3];
    if (!value) continue;
    const [x, y] = [place % side, Math.floor(place / side)];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    [mass, massX, massY] = [mass + value, massX + value * x, massY + value * y];
  }
  if (right < 0) return null;
  // Images of 28 pixels have their digit in 20, centred by its mass; smaller ones fill the frame.
  const roomy = width >= 20;
  const scale = (roomy ? 20 / 28 : 1) * Math.min(width / (right - left + 1), height / (bottom - top + 1));
  const [middleX, middleY] = roomy ? [massX / mass, massY / mass] : [(left + right + 1) / 2, (top + bottom + 1) / 2];
  const fine = 8;
  const small = el('canvas', { width: width * fine, height: height * fine }).getContext('2d');
  small.imageSmoothingQuality = 'high';
  small.setTransform(scale * fine, 0, 0, scale * fine, (width / 2 - middleX * scale) * fine, (height / 2 - middleY * scale) * fine);
  small.drawImage(canvas, 0, 0);
  const pixels = small.getImageData(0, 0, width * fine, height * fine).data;
  const values = new Array(width * height).fill(0);
  for (let place = 0; place < pixels.length / 4; place += 1) {
    const [x, y] = [place % (width * fine), Math.floor(place / (width * fine))];
    values[Math.floor(y / fine) * width + Math.floor(x / fine)] += pixels[4 * place + 3] / 255 / fine / fine;
  }
  return values.map((value) => Math.min(1, Number(value.toFixed(4))));
}

/** A code whose units can be switched, by pointer and by keys. */
function codeEditor(units, flip) {
  const { columns, rows } = field(units);
  const on = svg('path', { class: 'on' });
  const off = svg('path', { class: 'off' });
  const cursor = svg('rect', { class: 'cursor', width: 1, height: 1 });
  const element = svg('svg', {
    class: 'code edit', viewBox: `-.5 -.5 ${columns + 1} ${rows + 1}`, tabindex: '0', role: 'application', id: 'code',
    'aria-label': 'units of the code: arrows move, Space switches',
  }, svg('rect', { class: 'back', width: columns, height: rows }), on, off, cursor);
  let place = 0;
  const point = (unit) => {
    place = unit;
    cursor.setAttribute('x', unit % columns);
    cursor.setAttribute('y', Math.floor(unit / columns));
  };
  point(0);
  element.addEventListener('click', (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(element.getScreenCTM().inverse());
    const unit = Math.floor(at.y) * columns + Math.floor(at.x);
    if (at.x < 0 || at.x >= columns || unit < 0 || unit >= units) return;
    point(unit);
    flip(unit);
  });
  element.addEventListener('keydown', (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (move !== undefined && place + move >= 0 && place + move < units) point(place + move);
    if (event.key === ' ' || event.key === 'Enter') {
      flip(place);
      say(`unit ${place}`);
    }
    if (move !== undefined || event.key === ' ') event.preventDefault();
  });
  return {
    element,
    /** Units that are on; those that were encoded and are off now are drawn hollow. */
    show(now, encoded) {
      on.setAttribute('d', dots([...now], columns));
      off.setAttribute('d', dots(encoded.filter((unit) => !now.has(unit)), columns));
    },
  };
}

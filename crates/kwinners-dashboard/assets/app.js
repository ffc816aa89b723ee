// The views of the live page: runs, one run, runs side by side, and the explorer.

import { codeTile, el, get, number, say } from './common.js';
import { Curve, chart, listen } from './curves.js';
import { explore } from './explore.js';

const main = document.getElementById('main');
/** What to stop when the view changes. */
let leave = [];

const routes = [
  [/^#\/run\/([0-9a-f]{16})$/, showRun],
  [/^#\/explore\/([0-9a-f]{16})$/, (id) => explore(main, id)],
  [/^#\/compare$/, showCompare],
  [/^/, showRuns],
];

async function route() {
  if (location.hash === '#main') { main.focus(); return; }
  leave.forEach((stop) => stop());
  leave = [];
  say('');
  const [pattern, show] = routes.find(([pattern]) => pattern.test(location.hash));
  for (const link of document.querySelectorAll('nav a:not(.brand)')) {
    const own = link.getAttribute('href') === (location.hash || '#/');
    if (own) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  main.replaceChildren(el('p', { class: 'fine' }, 'Loading …'));
  try {
    await show(...(pattern.exec(location.hash)?.slice(1) ?? []));
  } catch (error) {
    main.replaceChildren(el('h1', {}, 'That did not work'), el('p', { class: 'wrong' }, error.message));
  }
}

/** A run in words. */
function about(run) {
  const { kind, data } = run.about;
  const shape = kind ? `${kind}, fitted to ${data}` : 'no finished model yet';
  return `${shape} · ${new Date(run.changed_s * 1000).toLocaleString()}`;
}

const links = (run) => [
  run.log || run.learning ? el('a', { href: `#/run/${run.id}` }, 'watch') : null,
  run.model ? el('a', { href: `#/explore/${run.id}` }, 'explore') : null,
  run.page ? el('a', { href: `/runs/${run.id}/page` }, 'report') : null,
];

async function showRuns() {
  const list = el('ul', { class: 'runs' });
  const draw = async () => {
    const { runs } = await get('/runs');
    const item = (run) => el('li', {},
      el('div', { class: 'grow' }, el('b', {}, run.name), el('p', {}, about(run))),
      run.learning ? el('span', { class: 'badge' }, 'learning') : null,
      ...links(run));
    list.replaceChildren(...runs.map(item));
    if (!runs.length) {
      list.replaceChildren(el('li', {}, 'Nothing here yet. Try: kwinners fit tied --data digits --out first.kw --serve'));
    }
  };
  await draw();
  main.replaceChildren(el('h1', {}, 'Runs'), list);
  const timer = setInterval(() => draw().catch(() => say('waiting for the server')), 3000);
  leave.push(() => clearInterval(timer));
}

async function showRun(id) {
  const { runs } = await get('/runs');
  const run = runs.find((run) => run.id === id) ?? { id, name: 'this run', about: {} };
  const curve = new Curve();
  const badge = el('span', { class: 'badge' }, '…');
  const charts = el('div', { class: 'columns' });
  const pictures = el('div');
  main.replaceChildren(
    el('h1', {}, run.name),
    el('p', { class: 'row' }, badge, ...links(run).slice(1)),
    charts, pictures,
  );
  const shown = new Map();
  const kinds = [[1, 'Loss', 'mean loss of a sample', 0], [2, 'Told right', 'share of training samples', 2], [3, 'Dead units', 'units', 3]];
  const draw = () => {
    for (const [column, title, unit, shade] of kinds) {
      if (!shown.has(column) && curve.has(column)) {
        const made = chart(title, unit, [{ name: title.toLowerCase(), curve, column, shade }]);
        shown.set(column, made);
        charts.append(made.element);
      }
      shown.get(column)?.update();
    }
  };
  const drawPictures = async () => {
    try { pictures.replaceChildren(...gallery(await get(`/runs/${id}/pictures`))); } catch { /* none yet */ }
  };
  let wasLearning = false;
  const begun = Date.now();
  leave.push(listen(id, {
    points(points) {
      curve.take(points);
      draw();
      // What comes after the first moments is being written just now, perhaps by another program.
      if (Date.now() - begun > 3000) badge.textContent = 'learning';
    },
    reset() { curve.clear(); },
    pictures: drawPictures,
    learning(now) {
      badge.textContent = now ? 'learning' : run.model ? 'finished' : 'not finished';
      if (!now && (wasLearning || run.model)) drawPictures();
      wasLearning = now;
    },
    state(text) { say(text === 'connected' ? '' : text); },
  }), () => shown.forEach((made) => made.close()));
}

/** Filters and samples of a model, as the server drew them. */
function gallery({ samples, units, filters, strips }) {
  const strip = ({ input, code, decoded }, place) => el('li', {},
    el('img', { class: 'px', src: input, alt: `sample ${place + 1}` }),
    codeTile(units, code),
    decoded ? el('img', { class: 'px', src: decoded, alt: `sample ${place + 1}, decoded from its code` }) : null);
  return [
    el('section', { class: 'panel' },
      el('h2', {}, 'Samples, codes, and codes decoded'),
      el('ul', { class: 'strips live' }, ...strips.map(strip)),
      el('p', {}, `${samples === null ? 'The model in the file.' : `After ${number(samples)} samples.`} Under each sample its code, and what the code alone decodes to.`)),
    filters ? el('section', { class: 'panel' },
      el('h2', {}, 'What units look for'),
      el('img', { class: 'px picture', src: filters, alt: 'weights of units as small images' }),
      el('p', {}, 'A tile a unit: light where it is red and none where it is blue makes the unit win.')) : '',
  ];
}

async function showCompare() {
  const { runs } = await get('/runs');
  const usable = runs.filter((run) => run.log || run.figures);
  const chosen = new Set(usable.slice(0, 3).map((run) => run.id));
  const result = el('div');
  let stop = [];
  const close = () => { stop.forEach((end) => end()); stop = []; };
  leave.push(close);
  const draw = async () => {
    close();
    const picked = usable.filter((run) => chosen.has(run.id));
    const lines = picked.filter((run) => run.log).map((run, at) => ({ name: run.name, curve: new Curve(), column: 1, shade: at % 10 }));
    result.replaceChildren();
    if (lines.length) {
      const made = chart('Loss, run by run', 'mean loss of a sample', lines);
      result.append(made.element);
      stop.push(() => made.close());
      picked.filter((run) => run.log).forEach((run, at) => stop.push(listen(run.id, {
        points(points) { lines[at].curve.take(points); made.update(); },
        reset() { lines[at].curve.clear(); },
        state(text) { say(text === 'connected' ? '' : text); },
      })));
    }
    const reports = await Promise.all(picked.filter((run) => run.figures).map(async (run) => [run.name, await get(`/runs/${run.id}/figures`)]));
    if (reports.length) result.append(table(reports));
  };
  const toggle = (run) => (event) => {
    if (event.target.checked) chosen.add(run.id); else chosen.delete(run.id);
    draw().catch((error) => say(error.message));
  };
  const box = (run) => el('label', { class: 'pick' },
    el('input', { type: 'checkbox', checked: chosen.has(run.id), onchange: toggle(run) }), run.name);
  main.replaceChildren(
    el('h1', {}, 'Runs side by side'),
    usable.length ? el('fieldset', {}, el('legend', {}, 'Runs'), ...usable.map(box))
      : el('p', {}, 'No run here has a log or a report.json.'),
    result,
  );
  await draw();
}

/** Figures of reports side by side. */
function table(reports) {
  const cell = (value) => (typeof value === 'number' ? number(value)
    : value?.mean !== undefined ? `${number(value.mean)} ± ${number(value.sd)}` : null);
  const rows = new Map();
  reports.forEach(([, report], at) => {
    for (const section of ['code', 'readout', 'separation', 'reconstruction', 'latents', 'noise', 'time']) {
      for (const [name, value] of Object.entries(report[section] ?? {})) {
        const text = cell(value);
        if (text === null) continue;
        const key = `${section}: ${name.replaceAll('_', ' ')}`;
        if (!rows.has(key)) rows.set(key, reports.map(() => '–'));
        rows.get(key)[at] = text;
      }
    }
  });
  const line = ([name, cells]) => el('tr', {}, el('th', { scope: 'row' }, name), ...cells.map((text) => el('td', {}, text)));
  return el('section', { class: 'panel' }, el('h2', {}, 'Figures'),
    el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Figures' },
      el('table', {},
        el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'figure'), ...reports.map(([name]) => el('th', { scope: 'col' }, name)))),
        el('tbody', {}, ...[...rows].map(line)))));
}

addEventListener('hashchange', route);
route();

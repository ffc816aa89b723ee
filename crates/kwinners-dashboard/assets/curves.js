// Learning curves that grow: events of the server into uPlot.

import { el, number, style } from './common.js';

/** Points that a curve keeps; beyond, every second one of the older half goes. */
const MOST_POINTS = 4000;

/** One log as it is told: samples, losses, accuracies, dead units. */
export class Curve {
  constructor() { this.clear(); }

  clear() { this.columns = [[], [], [], []]; }

  /** Takes points `[samples, loss, accuracy, dead units, epoch]`; a fit that began anew starts a new curve. */
  take(points) {
    for (const [samples, ...values] of points) {
      const last = this.columns[0].at(-1);
      if (last !== undefined && samples <= last) this.clear();
      this.columns[0].push(samples);
      values.slice(0, 3).forEach((value, place) => this.columns[place + 1].push(value ?? null));
    }
    if (this.columns[0].length > MOST_POINTS) {
      this.columns = this.columns.map((column) => column.filter((_, place) => place % 2 || place > MOST_POINTS / 2));
    }
  }

  get length() { return this.columns[0].length; }

  /** Column 1, 2 or 3 if it has any value. */
  has(column) { return this.columns[column].some((value) => value !== null); }
}

/**
 * Listens to a run until the returned function is called. The browser reconnects by itself and says how far it has
 * read; only where it gives up we begin again.
 */
export function listen(id, { points, reset, pictures, learning, state }) {
  let source = null;
  let again = null;
  const open = (fresh) => {
    if (fresh) reset();
    source = new EventSource(`/runs/${id}/events`);
    source.addEventListener('open', () => state('connected'));
    source.addEventListener('points', (event) => points(JSON.parse(event.data)));
    source.addEventListener('reset', reset);
    source.addEventListener('pictures', () => pictures?.());
    source.addEventListener('learning', (event) => learning?.(event.data === 'true'));
    source.addEventListener('error', () => {
      state('waiting for the server');
      if (source.readyState === EventSource.CLOSED) again = setTimeout(() => open(true), 2000);
    });
  };
  open(false);
  return () => { clearTimeout(again); source.close(); };
}

/** A chart of lines by samples: `lines` are `{ name, curve, column, shade }`. */
export function chart(title, unit, lines) {
  const place = el('div', { class: 'plot', role: 'img', 'aria-label': title });
  const told = el('p', {}, '');
  const dashes = [[], [9, 3], [3, 3], [12, 3, 3, 3], [6, 2, 2, 2], [1, 3]];
  let plot = null;

  const data = () => {
    if (lines.length === 1) return [lines[0].curve.columns[0], lines[0].curve.columns[lines[0].column]];
    return uPlot.join(lines.map((line) => [line.curve.columns[0], line.curve.columns[line.column]]));
  };
  const draw = () => {
    const axis = { stroke: () => style('--muted'), grid: { stroke: () => style('--rule'), width: 1 }, ticks: { show: false } };
    plot = new uPlot({
      width: Math.max(place.clientWidth, 240),
      height: 300,
      scales: { x: { time: false } },
      cursor: { drag: { x: true, y: false } },
      axes: [
        { ...axis, label: 'samples seen', values: (_, ticks) => ticks.map(short) },
        { ...axis, label: unit, size: 64 },
      ],
      series: [
        { label: 'samples', value: (_, value) => number(value) },
        ...lines.map((line, at) => ({
          label: line.name,
          stroke: () => style(`--c${line.shade ?? at}`),
          width: 2,
          dash: lines.length > 1 ? dashes[at % dashes.length] : [],
          points: { show: false },
          spanGaps: true,
          value: (_, value) => number(value),
        })),
      ],
    }, data(), place);
  };
  const size = new ResizeObserver(() => plot?.setSize({ width: Math.max(place.clientWidth, 240), height: 300 }));
  const night = matchMedia('(prefers-color-scheme: dark)');
  const redraw = () => plot?.redraw();
  night.addEventListener('change', redraw);

  return {
    element: el('section', { class: 'panel' }, el('h2', {}, title), place, told),
    update() {
      if (!place.isConnected) return;
      if (!plot) { draw(); size.observe(place); } else plot.setData(data());
      const last = lines.filter((line) => line.curve.length).map((line) => {
        const { columns } = line.curve;
        return `${line.name} ${number(columns[line.column].at(-1))} after ${number(columns[0].at(-1))} samples`;
      });
      told.textContent = last.join('; ');
      place.setAttribute('aria-label', `${title}: ${told.textContent}`);
    },
    close() { size.disconnect(); night.removeEventListener('change', redraw); plot?.destroy(); },
  };
}

const short = (value) => (value >= 1e6 ? `${value / 1e6} M` : value >= 1e4 ? `${value / 1e3} k` : `${value}`);
